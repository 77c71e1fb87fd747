-- migrate:up

-- Messages of campaigns that are long over, kept for "why did this person get nothing?" and out of the way of those that
-- are still sent. One partition for each year steps were launched in, so that a year is deleted by dropping two tables;
-- the key is the number of the year, because events belong to the year of their message, whenever they happened. No
-- foreign keys, and only the indexes that questions need. What a message said about its person (variables) is not kept.
create table message_archive (
  message_id  bigint        not null,
  step_id     bigint,
  campaign_id bigint,
  person_id   bigint,
  sender_id   bigint,
  created_at  timestamptz   not null,
  sent_at     timestamptz,
  changed_at  timestamptz   not null,
  state       message_state not null,
  year        smallint      not null,
  attempt     smallint      not null,
  segments    smallint,
  channel     text,
  address     text,
  reason      text,
  provider_id text,
  primary key (message_id, year),
  check (state not in ('queued', 'sending', 'ambiguous')) -- so that looking for what waits never reads the archive
) partition by list (year);
create index message_archive_person on message_archive (person_id, message_id);
create index message_archive_step on message_archive (step_id, message_id);
create trigger message_archive_place_stays after update of message_id, person_id, channel, address on message_archive
  for each row
  when (
    (old.message_id, old.person_id, old.channel, old.address)
      is distinct from (new.message_id, new.person_id, new.channel, new.address)
  )
  execute function only_erasing_place();
create trigger message_archive_filled before insert on message_archive for each row execute function only_owner();
alter table message_archive enable row level security;
create policy worker on message_archive to muster_worker using (true) with check (true);
create policy staff_all on message_archive for select to muster_staff_all using ((select scope_is_everywhere()));
grant select (
  message_id, step_id, campaign_id, person_id, channel, state, reason, segments, created_at, sent_at, changed_at, year
) on message_archive to muster_staff, muster_staff_all;

create table message_event_archive (
  message_id bigint      not null,
  event_id   bigint      not null,
  at         timestamptz not null,
  state      message_state,
  year       smallint    not null,
  source     text        not null,
  code       text,
  detail     jsonb,
  primary key (message_id, event_id, year)
) partition by list (year);
create trigger message_event_archive_append_only before update on message_event_archive
  for each row execute function only_erasure('code', 'detail');

-- A row trigger of a partitioned table holds for each of its partitions, those to come too; one for each statement holds for
-- statements that name the table itself.
create trigger message_archive_stays before delete on message_archive for each row execute function refuse_change();
create trigger message_event_archive_stays before delete on message_event_archive
  for each row execute function refuse_change();

-- Sums of the archived messages of each step, and of transactional ones: reports add it to what is still in `message`, and stay
-- right while a step is being moved, and when its year has been deleted. They are of everybody: who sees a region counts its messages
-- in the archive itself.
create table step_total (
  step_id  bigint        references step,
  channel  text,
  state    message_state not null,
  reason   text,
  sent     boolean       not null, -- whether a provider took them
  n        bigint        not null,
  segments bigint        not null,
  opened   bigint        not null, -- of those, the ones whose page something that looks like a browser has looked at
  unique nulls not distinct (step_id, channel, state, reason, sent)
);
alter table step_total enable row level security;
create policy worker on step_total to muster_worker using (true) with check (true);
create policy staff on step_total for select to muster_staff, muster_staff_all using ((select scope_is_everywhere()));
grant select on step_total to muster_staff, muster_staff_all;

-- Outbox and archive together, for questions that are seldom asked. Nothing that sends, receives or watches may use these.
create view message_any with (security_invoker = true) as
select
  message_id, step_id, campaign_id, person_id, channel, address, sender_id, state, reason, attempt, provider_id, segments,
  not_before, date_at, created_at, sent_at, changed_at
from message
union all
select
  message_id, step_id, campaign_id, person_id, channel, address, sender_id, state, reason, attempt, provider_id, segments,
  null, null, created_at, sent_at, changed_at
from message_archive;

create view message_event_any with (security_invoker = true) as
select message_id, event_id, at, state, source, code, detail from message_event
union all
select message_id, event_id, at, state, source, code, detail from message_event_archive;

-- Which messages there were, in outbox and archive: to whom, of which step, and what became of them, without an address.
create view message_recipient with (security_invoker = true) as
select message_id, step_id, campaign_id, person_id, channel, state, segments from message
union all
select message_id, step_id, campaign_id, person_id, channel, state, segments from message_archive;
grant select on message_recipient to muster_staff, muster_staff_all;

-- The person a message was for, be it in the outbox or the archive. A function, so that a query touches the archive only when
-- it has to.
create function person_of_message(wanted bigint) returns bigint language plpgsql stable as $$
declare
  found_person bigint;
begin
  select m.person_id into found_person from message m where m.message_id = wanted;
  if not found then
    select a.person_id into found_person from message_archive a where a.message_id = wanted;
  end if;
  return found_person;
end $$;

-- How long after its subject's close a member's link still shows a page, and a day: until then everything stays.
create function archive_delay() returns interval language sql immutable parallel safe as $$ select interval '61 days' $$;

-- The year a step's messages are kept under.
create function archive_year(of step) returns int language sql stable parallel safe as $$
  select extract(year from coalesce(of.launched_at, of.finished_at, of.created_at) at time zone 'UTC')::int
$$;

-- The year a transactional message is kept under: that in which it was asked for.
create function archive_year(created_at timestamptz) returns int language sql immutable parallel safe as $$
  select extract(year from created_at at time zone 'UTC')::int
$$;

-- Deletes what the archive has of a year's transactional messages beside the messages themselves.
create function forget_transactional(wanted integer) returns void
language sql set search_path = public, pg_temp as $$
  delete from transactional t
  using message_archive m
  where m.year = wanted and m.step_id is null and t.message_id = m.message_id
$$;

-- Moves messages into the archive and their history behind them, in the order it was written. It goes by what the tables say,
-- not by what it is told: messages that wait for nothing, of steps that are over, under their step's year; transactional ones
-- when they are as old as links get, without what they said. Moved in one transaction: a reader of both tables sees each message
-- exactly once at every moment.
create function archive_messages(messages bigint[], out moved bigint, out events bigint)
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  over bigint[];
begin
  select array_agg(m.message_id) into over
  from message m
  left join step s using (step_id)
  where m.message_id = any (messages)
    and (s.state in ('finished', 'cancelled') or m.step_id is null and m.created_at < now() - archive_delay())
    and m.state not in ('queued', 'sending', 'ambiguous')
    -- nor under the number of another: history is found by it
    and not exists (select from message_archive a where a.message_id = m.message_id);
  if cardinality(messages) is distinct from cardinality(over) then
    raise exception 'only messages of steps that are over, and old ones without a step, are archived: that is % of %',
      coalesce(cardinality(over), 0), cardinality(messages);
  end if;

  with moved as (
    delete from message where message_id = any (over)
    returning
      message_id, step_id, campaign_id, person_id, sender_id, created_at, sent_at, changed_at, state, attempt, segments,
      channel, address, reason, provider_id
  ), kept as (
    insert into message_archive (
      message_id, step_id, campaign_id, person_id, sender_id, created_at, sent_at, changed_at, state, attempt, segments,
      channel, address, reason, provider_id, year
    )
    select moved.*, case when s.step_id is null then archive_year(moved.created_at) else archive_year(s) end
    from moved
    left join step s using (step_id)
    returning 1
  )
  select count(*) into moved from kept;
  update transactional set content = null, concealed = null where message_id = any (over);

  perform set_config('muster.archiving', 'on', true);
  with moved as (
    delete from message_event where message_id = any (over)
    returning message_id, event_id, at, state, source, code, detail
  ), kept as (
    insert into message_event_archive (message_id, event_id, at, state, source, code, detail, year)
    select g.message_id, g.event_id, g.at, g.state, g.source, g.code, g.detail, a.year
    from moved g
    join message_archive a using (message_id)
    returning 1
  )
  select count(*) into events from kept;
  perform set_config('muster.archiving', 'off', true);

  perform record_own_action(
    'messages.archived', coalesce('step ' || step_id, 'transactional messages'),
    jsonb_build_object('messages', count(*), 'login', session_user)
  )
  from message_archive
  where message_id = any (over)
  group by step_id;
end $$;

-- Makes the tables of a year. Who works with tables need not own them: what takes an owner is done by functions of the
-- owner's, each of which does one thing.
create function make_archive_year(wanted integer) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  if wanted not between 1970 and 9999 then
    raise exception 'the archive has no year %', wanted;
  end if;
  execute format('create table message_archive_%1$s partition of message_archive for values in (%1$s)', wanted);
  execute format('create table message_event_archive_%1$s partition of message_event_archive for values in (%1$s)', wanted);
end $$;

-- Takes the words of providers out of what was recorded in the history of erased people's messages since: which messages those
-- are, only finish_erasure writes down.
create function empty_late_words(messages bigint[]) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  changed bigint;
  archived bigint;
begin
  perform set_config('muster.erasing', 'on', true);
  update message_event e
  set code = case when code !~ '@|\d{7}' then code end, detail = impersonal_detail(detail)
  from erased_message m
  where m.message_id = any (messages) and e.message_id = m.message_id and e.event_id > m.upto
    and (detail is distinct from impersonal_detail(detail) or code ~ '@|\d{7}');
  get diagnostics changed = row_count;
  update message_event_archive e
  set code = case when code !~ '@|\d{7}' then code end, detail = impersonal_detail(detail)
  from erased_message m
  where m.message_id = any (messages) and e.message_id = m.message_id and e.event_id > m.upto
    and exists ( -- the archive's message, and no newer one that somebody has given its number
      select from message_archive a where a.message_id = m.message_id and a.address = 'erased-' || m.message_id
    )
    and (detail is distinct from impersonal_detail(detail) or code ~ '@|\d{7}');
  get diagnostics archived = row_count;
  perform set_config('muster.erasing', 'off', true);
  if changed + archived > 0 then
    perform record_own_action(
      'ledgers.emptied', 'messages', jsonb_build_object('rows', changed + archived, 'login', session_user)
    );
  end if;
end $$;

grant execute on function person_of_message to public;

-- migrate:down
