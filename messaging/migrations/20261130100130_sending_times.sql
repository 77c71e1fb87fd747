-- migrate:up

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
-- the end of a quiet time or the opening of a window. Where clocks skip that time it begins when they do: PostgreSQL takes
-- 01:30 of a night without an hour from 01:00 on for 02:30, so the quarters of an hour before are looked at as well, on one
-- of which every clock changes. A week repeats itself, so what a fortnight does not have never comes.
create function sending_opens(
  at timestamptz, here text, quiet_from time, quiet_until time, starts timestamptz, zone text, days smallint[],
  opens time, closes time
) returns timestamptz language plpgsql immutable parallel safe as $$
declare
  earliest constant timestamptz := greatest(at, starts);
  ours constant text := coalesce(zone, here);
begin
  if may_send_at(earliest, here, quiet_from, quiet_until, zone, days, opens, closes) then
    return earliest;
  end if;
  return (
    select min(edge.moment)
    from generate_series(0, 14) as n
    cross join lateral (
      values
        (here, (earliest at time zone here)::date + n + quiet_until),
        (ours, (earliest at time zone ours)::date + n + coalesce(opens, '00:00'))
    ) as turn (clock, shown)
    cross join lateral (select turn.shown at time zone turn.clock as moment) as meant
    -- how far the clock is ahead of the time that was meant: more than nothing only in a skipped hour
    cross join lateral (select meant.moment at time zone turn.clock - turn.shown as skipped) as gap
    cross join lateral (
      select meant.moment
      union all
      select quarter
      from generate_series(date_trunc('hour', meant.moment - gap.skipped), meant.moment, interval '15 minutes') as quarter
      where gap.skipped > interval '0'
    ) as edge (moment)
    where edge.moment > earliest
      and may_send_at(edge.moment, here, quiet_from, quiet_until, zone, days, opens, closes)
  );
end
$$;

-- When the caps on how often a person is written to let them have another message; null: now. What arrived or is on its
-- way to them counts, whichever campaign and channel; what was refused or came back does not. A message that is on its
-- way just now is looked at again soon, for it may yet fail. Messages are found by way of the steps that may have sent
-- something in the time that counts.
create function cap_frees_at(person bigint, purpose text, at timestamptz, caps jsonb, except_message bigint)
returns timestamptz language sql stable as $$
  select max(
    case when had.messages >= cap.messages then coalesce(had.nth + cap.seconds * interval '1 second', at + interval '5 minutes') end
  )
  from jsonb_to_recordset(caps) as cap (messages int, seconds float8, purpose text)
  cross join lateral (
    select
      count(*) as messages,
      (array_agg(dispatch.left_at order by dispatch.left_at desc) filter (where dispatch.left_at is not null))[cap.messages] as nth
    from (
      select case when m.state not in ('sending', 'ambiguous') then greatest(m.sent_at, m.wire_at) end as left_at
      from step s
      join message m on m.step_id = s.step_id and m.person_id = person
      where (cap.purpose = 'all' or s.purpose = cap.purpose)
        and (s.finished_at is null or s.finished_at > at - cap.seconds * interval '1 second')
        and m.message_id is distinct from except_message
        and (is_received(m.state) or m.state in ('sending', 'ambiguous'))
    ) as dispatch
    where dispatch.left_at is null or dispatch.left_at > at - cap.seconds * interval '1 second'
  ) as had
  where cap.purpose in ('all', cap_frees_at.purpose)
$$;

grant execute on function may_send_at, sending_opens, cap_frees_at to public;

-- migrate:down
