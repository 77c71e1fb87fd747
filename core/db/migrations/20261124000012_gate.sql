-- migrate:up

-- When a step may send, beside its quiet hours and its deadline; how often one person may be written to; and what a
-- finished step becomes when messages come back to it.
alter table step
  add column send_after     timestamptz, -- nothing leaves before
  add column window_zone    text,        -- whose clock the window goes by; null: the recipient's own
  add column window_days    smallint[],  -- 1 is Monday; null: every day
  add column window_from    time,        -- within one day; null: all day
  add column window_until   time,
  add column frequency_caps jsonb,       -- null: the organisation's alone; []: none at all; others: in addition to those
  add column reopens_as     text default 'running'; -- paused: its campaign is; null: its campaign was cancelled

update step s set reopens_as = case c.state when 'paused' then 'paused' end
from campaign c
where c.campaign_id = s.campaign_id and c.state in ('paused', 'cancelled');

-- The tries of a message before the one it is at, where the provider had taken them: a late receipt still finds it.
create table message_try (
  message_id  bigint      not null,
  attempt     smallint    not null,
  provider_id text,
  ended_by    text        not null, -- receipt: it was not delivered; staff: its sender was mended
  code        text,
  ended_at    timestamptz not null default now(),
  primary key (message_id, attempt)
);
create unique index message_try_provider on message_try (provider_id) where provider_id is not null;

-- How a sender has fared lately: a look at both is a few entries, however many messages there are. Writes wait while
-- they are built, half a minute for ten million messages; nothing is sent while `muster migrate` runs.
-- squawk-ignore require-concurrent-index-creation
create index message_refused on message (sender_id, changed_at) where state in ('failed', 'undelivered');
-- squawk-ignore require-concurrent-index-creation
create index message_sent on message (sender_id, sent_at) where sent_at is not null;

-- Whether a message may go at a moment: outside the quiet hours where its recipient is, and inside the step's window.
-- Local times are what the clock on the wall says at that moment, so hours that clocks skip or repeat judge themselves.
create function may_send_at(
  at timestamptz, here text, quiet_from time, quiet_until time, zone text, days smallint[], opens time, closes time
) returns boolean language sql immutable parallel safe as $$
  select
    (quiet_from is null or case when quiet_from < quiet_until
      then (at at time zone here)::time < quiet_from or (at at time zone here)::time >= quiet_until
      else (at at time zone here)::time < quiet_from and (at at time zone here)::time >= quiet_until end)
    and (days is null or extract(isodow from at at time zone coalesce(zone, here)) = any (days))
    and (opens is null
      or (at at time zone coalesce(zone, here))::time >= opens and (at at time zone coalesce(zone, here))::time < closes)
$$;

-- The first moment from `at` on when a message may go: `at` itself where that is now. Each span of open time begins with
-- the end of a quiet time or the opening of a window; a
-- week repeats itself, so what a fortnight does not have (clocks may skip one opening) never comes.
create function sending_opens(
  at timestamptz, here text, quiet_from time, quiet_until time, starts timestamptz, zone text, days smallint[],
  opens time, closes time
) returns timestamptz language plpgsql immutable parallel safe as $$
declare
  earliest constant timestamptz := greatest(at, starts);
begin
  if may_send_at(earliest, here, quiet_from, quiet_until, zone, days, opens, closes) then
    return earliest;
  end if;
  return (
    select min(edge.moment)
    from generate_series(0, 14) as n
    cross join lateral (
      values
        (((earliest at time zone here)::date + n + quiet_until) at time zone here),
        (((earliest at time zone coalesce(zone, here))::date + n + coalesce(opens, '00:00')) at time zone coalesce(zone, here))
    ) as edge (moment)
    where edge.moment > earliest
      and may_send_at(edge.moment, here, quiet_from, quiet_until, zone, days, opens, closes)
  );
end
$$;

-- When the caps on how often a person is written to let them have another message; null: now. What arrived or is on its
-- way to them counts, whichever campaign and channel; what was refused or came back does not. A message that is on its
-- way just now is looked at again soon, for it may yet fail.
create function cap_frees_at(person bigint, purpose text, at timestamptz, caps jsonb, except_message bigint)
returns timestamptz language sql stable as $$
  select max(
    case when had.messages >= cap.messages then coalesce(had.nth + cap.seconds * interval '1 second', at + interval '5 minutes') end
  )
  from jsonb_to_recordset(caps) as cap (messages int, seconds float8, purpose text)
  cross join lateral (
    select
      count(*) as messages,
      (array_agg(one.left_at order by one.left_at desc) filter (where one.left_at is not null))[cap.messages] as nth
    from (
      select case when m.state not in ('sending', 'ambiguous') then greatest(m.sent_at, m.wire_at) end as left_at
      from message m
      where m.person_id = person and m.message_id is distinct from except_message
        and m.state in ('accepted', 'sent', 'delivered', 'read', 'complained', 'sending', 'ambiguous')
        and (cap.purpose = 'all' or exists (select from step s where s.step_id = m.step_id and s.purpose = cap.purpose))
    ) as one
    where one.left_at is null or one.left_at > at - cap.seconds * interval '1 second'
  ) as had
  where cap.purpose in ('all', cap_frees_at.purpose)
$$;

-- migrate:down
