-- migrate:up

-- While this waits for its lock on `message`, everybody else's statements wait behind it; then there is a pause (core/db/migrate).
set local lock_timeout = '1s';

-- A message is written when it is launched, and once more when its outcome is known. What happens between is in two narrow
-- tables: `queue` has a row for each message that waits, `in_flight` one for each that a worker has taken; a message whose state
-- is 'queued' has its row in one of them. A statement may change what becomes of the message only if it has deleted that row: of
-- two that want to, one finds it gone.

-- The number of a queue: of a step and channel, or of a sender's transactional messages, which have no step.
create function queue_of(step_id bigint, channel text, sender_id bigint) returns bigint
language sql immutable parallel safe as $$
  select case when step_id is null then -sender_id else step_id * 16 + case channel when 'sms' then 1 when 'email' then 2 end end
$$;

-- The step of a queue; null for transactional messages.
create function step_of_queue(queue_id bigint) returns bigint language sql immutable parallel safe as $$
  select case when queue_id > 0 then queue_id / 16 end
$$;

-- Whether a message ended otherwise than most do, or its outcome is unknown: these are found by `message_exception`.
create function is_exceptional(state message_state) returns boolean language sql immutable parallel safe as $$
  select state not in ('queued', 'sending', 'accepted', 'sent', 'delivered', 'read')
$$;

-- What waits, in the order in which it is due.
create table queue (
  message_id bigint      primary key,
  queue_id   bigint      not null,
  not_before timestamptz not null,
  date_at    timestamptz,          -- of a dated step: the date of the person, after which some are of no use
  attempt    smallint    not null  -- the fencing number of the try before; 0: there was none
);
create unique index queue_due on queue (queue_id, not_before, message_id);
create index queue_dated on queue (queue_id, date_at) where date_at is not null;

-- What workers have taken: from the claim to the outcome. Recording an intent touches no index.
create table in_flight (
  message_id    bigint      primary key,
  queue_id      bigint      not null,
  not_before    timestamptz not null,
  date_at       timestamptz,
  attempt       smallint    not null, -- the fencing number: an outcome counts only for the attempt that won it
  dispatcher_id bigint      not null, -- the worker that has it
  taken_at      timestamptz not null default clock_timestamp(),
  wire_at       timestamptz,          -- set just before the wire: from here on, silence is ambiguous
  provider      text,                 -- who has it, set with wire_at: whatever happens to its worker, they are asked
  sent_from     text,                 -- of texts, the number they leave from, where the provider has one of its own
  reason        text                  -- why it had waited, as the message still says: the sums have it under that
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
create index in_flight_dispatcher on in_flight (dispatcher_id);

-- Messages that ended otherwise than most, or whose outcome is unknown. Few, so each way of looking for them has its index here,
-- and none on `message`.
create table message_exception (
  message_id bigint        primary key,
  step_id    bigint,
  sender_id  bigint,
  channel    text,
  state      message_state not null,
  reason     text,
  changed_at timestamptz   not null
);
create index message_exception_step on message_exception (step_id, state, reason, message_id);
create index message_exception_unknown on message_exception (changed_at) where state = 'ambiguous';
-- How a sender has fared lately: with what came back as bounces too, for a server that takes a mail and then refuses its sender
-- says so in a report.
create index message_exception_refused on message_exception (sender_id, changed_at)
  where state in ('failed', 'undelivered', 'bounced');
-- Transactional ones that were not delivered: a reply whose answer is among them waits for staff again.
create index message_exception_transactional on message_exception (message_id) where step_id is null;

-- Messages by what their provider calls them: a receipt finds its message. Few emails have such a number.
create table provider_message (
  provider_id text   primary key,
  message_id  bigint not null
);

-- Sums of the messages in `message`, as changes that add up: each statement that changes messages adds a few rows, in its own
-- transaction, and a job folds older ones together (messaging/outbox/counts). No row is ever updated: under an open snapshot
-- that costs more each time. They are of everybody: who sees a region counts its messages themselves.
create table message_count (
  step_id   bigint,
  sender_id bigint,
  channel   text,
  state     message_state not null,
  reason    text,
  at        timestamptz   not null, -- when they were sent, else when it changed: to the second, minute or day
  grain     smallint      not null default 0, -- 0: as it was written; then folded to a second, minute, day
  n         integer       not null,
  sent      integer       not null, -- how many of these a provider has taken
  segments  bigint        not null
);
create index message_count_step on message_count (step_id, state);
create index message_count_sender on message_count (sender_id, at) where sent <> 0;
create index message_count_grain on message_count (grain, at) where grain < 3;

-- What a provider said on accepting the first try, where there is nothing more to say of it: such an acceptance has no event, and
-- the history makes its line from this message's columns. Empty once its words are erased. Null: there are events.
-- Rule: an UPDATE that changes this column from null must itself add to `message_count`, and may be of nothing but such an
-- acceptance. The trigger `message_changes` does not fire for it, so counts, exceptions and providers' numbers do not follow.
alter table message add column accepted_reply text;

-- States of messages that programs of others follow (webhooks/subscriptions): each of these changes has its event.
create table followed_state (
  state message_state primary key
);

alter table queue enable row level security;
create policy worker on queue to muster_worker using (true) with check (true);
create policy staff on queue for select to muster_staff using (
  exists (select from message m where m.message_id = queue.message_id)
);
create policy staff_all on queue for select to muster_staff_all using ((select scope_is_everywhere()));
grant select (message_id, queue_id, not_before) on queue to muster_staff, muster_staff_all;

alter table in_flight enable row level security;
create policy worker on in_flight to muster_worker using (true) with check (true);
create policy staff on in_flight for select to muster_staff using (
  exists (select from message m where m.message_id = in_flight.message_id)
);
create policy staff_all on in_flight for select to muster_staff_all using ((select scope_is_everywhere()));
grant select (message_id, queue_id) on in_flight to muster_staff, muster_staff_all;

alter table message_exception enable row level security;
create policy worker on message_exception to muster_worker using (true) with check (true);
create policy staff on message_exception for select to muster_staff using (
  exists (select from message m where m.message_id = message_exception.message_id)
);
create policy staff_all on message_exception for select to muster_staff_all using ((select scope_is_everywhere()));
grant select (message_id, step_id, state, reason) on message_exception to muster_staff, muster_staff_all;

alter table message_count enable row level security;
create policy worker on message_count to muster_worker using (true) with check (true);
create policy staff on message_count for select to muster_staff, muster_staff_all using ((select scope_is_everywhere()));
grant select (step_id, channel, state, reason, at, n, sent, segments) on message_count to muster_staff, muster_staff_all;

-- The tables beside `message` follow it, whichever statement changes it: sums, exceptions, providers' numbers, and a message that
-- becomes queued is put into its queue. What waits and ends is taken out of its queue by the statement itself: that is how it knows
-- that nobody else has it. What comes and goes is noted by statement, so that a page of a launch costs one look.
create function note_new_messages() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  insert into message_count (step_id, sender_id, channel, state, reason, at, n, sent, segments)
  select
    step_id, sender_id, channel, state, reason, date_trunc('second', coalesce(sent_at, now())), count(*), count(sent_at),
    coalesce(sum(segments), 0)
  from new_messages
  group by 1, 2, 3, 4, 5, 6;
  insert into queue (message_id, queue_id, not_before, date_at, attempt)
  select message_id, queue_of(step_id, channel, sender_id), not_before, date_at, attempt from new_messages where state = 'queued';
  insert into message_exception (message_id, step_id, sender_id, channel, state, reason, changed_at)
  select message_id, step_id, sender_id, channel, state, reason, changed_at from new_messages where is_exceptional(state);
  insert into provider_message (provider_id, message_id)
  select provider_id, message_id from new_messages where provider_id is not null;
  return null;
end $$;
create trigger message_comes after insert on message
  referencing new table as new_messages for each statement execute function note_new_messages();

-- By row: an ordinary message must not pay for the rest. The trigger does not fire where `accepted_reply` changes from null: see the
-- rule at that column.
create function note_changed_message() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  if new.state = 'sending' and old.state <> 'sending' then
    raise exception 'a worker of the version before takes no more messages'
      using hint = 'restart it with the version that ran `muster migrate`';
  end if;
  if (old.step_id, old.sender_id, old.channel, old.state, old.reason, old.sent_at, old.segments)
    is distinct from (new.step_id, new.sender_id, new.channel, new.state, new.reason, new.sent_at, new.segments) then
    insert into message_count (step_id, sender_id, channel, state, reason, at, n, sent, segments)
    values
      (
        old.step_id, old.sender_id, old.channel, old.state, old.reason, date_trunc('second', coalesce(old.sent_at, now())), -1,
        -(old.sent_at is not null)::int, -coalesce(old.segments, 0)
      ),
      (
        new.step_id, new.sender_id, new.channel, new.state, new.reason, date_trunc('second', coalesce(new.sent_at, now())), 1,
        (new.sent_at is not null)::int, coalesce(new.segments, 0)
      );
  end if;
  if new.state = 'queued' and old.state <> 'queued'
    and not (old.state = 'sending' and exists (select from in_flight f where f.message_id = new.message_id)) then
    insert into queue (message_id, queue_id, not_before, date_at, attempt)
    values (new.message_id, queue_of(new.step_id, new.channel, new.sender_id), new.not_before, new.date_at, new.attempt)
    -- a row may be left there of a message that a receipt ended: nobody waits for the worker that is claiming it
    on conflict (message_id) do update
      set queue_id = excluded.queue_id, not_before = excluded.not_before, date_at = excluded.date_at, attempt = excluded.attempt;
  end if;
  if old.state = 'queued' and new.state <> 'queued' then
    -- a statement that knows no queue leaves its row there: web processes of the version before do. Nobody waits for a worker that
    -- is claiming it: the claim finds that the message is over.
    delete from queue
    where message_id = (select q.message_id from queue q where q.message_id = new.message_id for update skip locked);
  end if;
  if is_exceptional(new.state) then
    insert into message_exception (message_id, step_id, sender_id, channel, state, reason, changed_at)
    values (new.message_id, new.step_id, new.sender_id, new.channel, new.state, new.reason, new.changed_at)
    on conflict (message_id) do update
      set sender_id = excluded.sender_id, channel = excluded.channel, state = excluded.state, reason = excluded.reason,
          changed_at = excluded.changed_at;
  elsif is_exceptional(old.state) then
    delete from message_exception where message_id = new.message_id;
  end if;
  if old.provider_id is distinct from new.provider_id then
    delete from provider_message where provider_id = old.provider_id;
    insert into provider_message (provider_id, message_id)
    select new.provider_id, new.message_id where new.provider_id is not null;
  end if;
  return null;
end $$;
create trigger message_changes after update on message for each row
  when (not (old.accepted_reply is null and new.accepted_reply is not null))
  execute function note_changed_message();

create function note_archived_messages() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  insert into message_count (step_id, sender_id, channel, state, reason, at, n, sent, segments)
  select
    step_id, sender_id, channel, state, reason, date_trunc('second', coalesce(sent_at, now())), -count(*), -count(sent_at),
    -coalesce(sum(segments), 0)
  from old_messages
  group by 1, 2, 3, 4, 5, 6;
  delete from message_exception x using old_messages o where x.message_id = o.message_id;
  delete from provider_message p using old_messages o where p.provider_id = o.provider_id;
  -- none should be left; a worker that has one at this moment finds that there is no message, and drops it
  delete from queue
  where message_id in (select q.message_id from old_messages o join queue q using (message_id) for update of q skip locked);
  delete from in_flight
  where message_id in (select f.message_id from old_messages o join in_flight f using (message_id) for update of f skip locked);
  return null;
end $$;
create trigger message_goes after delete on message
  referencing old table as old_messages for each statement execute function note_archived_messages();

-- Whether a message has left, or may have: something says that a provider has it, or may have it. One that was taken and put
-- back has not, nor one that a provider refused or was too busy for: no receipt comes for those.
create or replace function may_have_left(message) returns boolean language sql stable parallel safe as $$
  select
    $1.wire_at is not null or $1.provider_id is not null
    or exists (select from in_flight f where f.message_id = $1.message_id and f.wire_at is not null)
    or exists (select from message_try t where t.message_id = $1.message_id)
    or exists (
      select from message_event e
      where e.message_id = $1.message_id
        and e.state in ('ambiguous', 'accepted', 'sent', 'delivered', 'read', 'undelivered', 'bounced', 'complained')
    )
$$;

-- Whether a worker has a message in hand, or had it on the wire when its row in `in_flight` went without an outcome: the history
-- says so (`keep_wired`).
create or replace function is_in_hand(message) returns boolean language sql stable parallel safe as $$
  select exists (select from in_flight f where f.message_id = $1.message_id) or coalesce((
    select e.state = 'sending' from message_event e
    where e.message_id = $1.message_id and e.event_id > 0 and e.state is not null
    order by e.event_id desc
    limit 1
  ), false)
$$;

-- When the caps on how often a person is written to let them have another message; null: now. What arrived or is on its
-- way to them counts, whichever campaign and channel; what was refused or came back does not. A message that is on its
-- way just now is looked at again soon, for it may yet fail. Messages are found by way of the steps that may have sent
-- something in the time that counts.
create or replace function cap_frees_at(person bigint, purpose text, at timestamptz, caps jsonb, except_message bigint)
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
      select case when is_received(m.state) then greatest(m.sent_at, m.wire_at) end as left_at
      from step s
      join message m on m.step_id = s.step_id and m.person_id = person
      where (cap.purpose = 'all' or s.purpose = cap.purpose)
        and (s.finished_at is null or s.finished_at > at - cap.seconds * interval '1 second')
        and m.message_id is distinct from except_message
        and (
          is_received(m.state) or m.state = 'ambiguous'
          or m.state = 'queued' and exists (select from in_flight f where f.message_id = m.message_id)
        )
    ) as dispatch
    where dispatch.left_at is null or dispatch.left_at > at - cap.seconds * interval '1 second'
  ) as had
  where cap.purpose in ('all', cap_frees_at.purpose)
$$;

-- What only the columns of messages say of their history: that a worker took them for their first try, and that a provider accepted
-- it. Under numbers below those of all events, which the history puts where they belong.
create function list_first_tries(messages bigint[]) returns table (
  message_id bigint, event_id bigint, at timestamptz, state message_state, source text, code text, detail jsonb
) language sql stable set search_path = public, pg_temp as $$
  select m.message_id, line.*
  from message m
  left join dispatcher d on d.dispatcher_id = m.dispatcher_id
  cross join lateral (
    values
      (
        -2::bigint, m.wire_at, 'sending'::message_state, 'worker', null,
        jsonb_strip_nulls(jsonb_build_object('attempt', m.attempt, 'by', d.name))
      ),
      (-1, m.sent_at, 'accepted', coalesce(m.provider, 'worker'), nullif(m.accepted_reply, ''), null)
  ) as line (event_id, at, state, source, code, detail)
  where m.message_id = any (messages) and m.wire_at is not null
    and (line.state = 'sending' or m.accepted_reply is not null)
    and not exists (select from message_event e where e.message_id = m.message_id and e.state = line.state)
$$;

-- Writes that down as events, before the columns say so of another try.
create function record_first_tries(messages bigint[]) returns void language sql set search_path = public, pg_temp as $$
  insert into message_event (message_id, event_id, at, state, source, code, detail)
  overriding system value
  select message_id, event_id, at, state, source, code, detail from list_first_tries(messages)
$$;

-- The history is append-only, in columns, too: whoever overwrites what they say of a first try, which no event says as yet, writes
-- the event by that. Words of providers go with the person who is erased.
create function keep_first_try() returns trigger language plpgsql set search_path = public, pg_temp as $$
declare
  erased boolean := exists (select from erased_message x where x.message_id = old.message_id);
  emptied boolean := erased and new.accepted_reply = '';
begin
  insert into message_event (message_id, event_id, at, state, source, code, detail)
  overriding system value
  select old.message_id, line.event_id, line.at, line.state, line.source, line.code, line.detail
  from (
    values
      (
        -2, old.wire_at, 'sending'::message_state, 'worker', null,
        jsonb_strip_nulls(
          jsonb_build_object('attempt', old.attempt, 'by', (select name from dispatcher where dispatcher_id = old.dispatcher_id))
        ),
        old.wire_at is not null
          and (old.wire_at, old.attempt, old.dispatcher_id) is distinct from (new.wire_at, new.attempt, new.dispatcher_id)
      ),
      (
        -1, old.sent_at, 'accepted', coalesce(old.provider, 'worker'), case when not erased then nullif(old.accepted_reply, '') end,
        null,
        old.accepted_reply is not null and old.sent_at is not null
          and (
            (old.sent_at, old.provider) is distinct from (new.sent_at, new.provider)
            or new.accepted_reply is distinct from old.accepted_reply and not emptied
          )
      )
  ) as line (event_id, at, state, source, code, detail, is_lost)
  where line.is_lost
    and not exists (select from message_event e where e.message_id = old.message_id and e.state = line.state);
  return null;
end $$;
create trigger message_first_try_stays after update of wire_at, sent_at, accepted_reply, provider, attempt, dispatcher_id on message
  for each row
  when (
    old.wire_at is not null
      and (old.wire_at, old.attempt, old.dispatcher_id) is distinct from (new.wire_at, new.attempt, new.dispatcher_id)
    or old.accepted_reply is not null
      and (old.sent_at, old.provider, old.accepted_reply) is distinct from (new.sent_at, new.provider, new.accepted_reply)
  )
  execute function keep_first_try();

-- So is that a message was on the wire: whoever takes it out of `in_flight`, or takes that away there, without a word of it in the
-- message or in its history, writes the event by that.
create function keep_wired(gone in_flight) returns void language sql set search_path = public, pg_temp as $$
  insert into message_event (message_id, at, state, source, detail)
  select
    m.message_id, gone.taken_at, 'sending', 'worker', jsonb_strip_nulls(jsonb_build_object('attempt', gone.attempt, 'by', d.name))
  from message m
  left join dispatcher d on d.dispatcher_id = gone.dispatcher_id
  where m.message_id = gone.message_id and not may_have_left(m)
    and not exists (
      select from message_event e where e.message_id = m.message_id and e.state = 'sending' and e.at >= gone.taken_at
    )
$$;
create function note_gone_from_flight() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  -- a look-up for each: nearly always the message itself says that it was on the wire
  perform keep_wired(o) from old_rows o
  where o.wire_at is not null and (select m.wire_at is null from message m where m.message_id = o.message_id);
  return null;
end $$;
create trigger in_flight_goes after delete on in_flight
  referencing old table as old_rows for each statement execute function note_gone_from_flight();
create function note_changed_flight() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  perform keep_wired(old);
  return null;
end $$;
create trigger in_flight_changes after update of message_id, wire_at on in_flight for each row
  when (old.wire_at is not null and (new.message_id <> old.message_id or new.wire_at is null))
  execute function note_changed_flight();

-- As before, and what only the columns say goes into the history.
create or replace function archive_messages(messages bigint[], out moved bigint, out events bigint)
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  over bigint[];
  first_tries bigint;
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

  insert into message_event_archive (message_id, event_id, at, state, source, code, detail, year)
  select
    t.message_id, t.event_id, t.at, t.state, t.source, t.code, t.detail,
    case when s.step_id is null then archive_year(m.created_at) else archive_year(s) end
  from list_first_tries(over) t
  join message m on m.message_id = t.message_id
  left join step s on s.step_id = m.step_id;
  get diagnostics first_tries = row_count;
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
  select count(*) + first_tries into events from kept;
  perform set_config('muster.archiving', 'off', true);

  perform record_own_action(
    'messages.archived', coalesce('step ' || step_id, 'transactional messages'),
    jsonb_build_object('messages', count(*), 'login', session_user)
  )
  from message_archive
  where message_id = any (over)
  group by step_id;
end $$;

-- As before, and out of the lines of first tries, whose numbers are below all others: they may be written after the erasure.
create or replace function empty_late_words(messages bigint[]) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  changed bigint;
  archived bigint;
begin
  perform set_config('muster.erasing', 'on', true);
  update message_event e
  set code = case when code !~ '@|\d{7}' then code end, detail = impersonal_detail(detail)
  from erased_message m
  where m.message_id = any (messages) and e.message_id = m.message_id and (e.event_id > m.upto or e.event_id < 0)
    and (detail is distinct from impersonal_detail(detail) or code ~ '@|\d{7}');
  get diagnostics changed = row_count;
  update message_event_archive e
  set code = case when code !~ '@|\d{7}' then code end, detail = impersonal_detail(detail)
  from erased_message m
  where m.message_id = any (messages) and e.message_id = m.message_id and (e.event_id > m.upto or e.event_id < 0)
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

-- As before; with a message's address go the words of its provider, which may quote it.
create or replace function only_erasing_place() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  if tg_table_name = 'message' and (new.message_id, new.person_id) = (old.message_id, old.person_id) then
    if coalesce(new.address, '') !~ '^erased-' and coalesce(old.address, '') !~ '^erased-'
      and not exists (select from erased_message x where x.message_id = old.message_id)
      and exists (select from step s where s.step_id = old.step_id and s.dated is not null)
      and not may_have_left(old) and not is_in_hand(old) then
      return null;
    end if;
  end if;
  if coalesce(current_setting('muster.erasing', true), '') <> 'on'
    or current_user <> (select pg_get_userbyid(c.relowner) from pg_class c where c.oid = tg_relid)
    or (new.message_id, new.person_id) is distinct from (old.message_id, old.person_id) then
    raise exception 'the recipient and address of message % cannot be changed', old.message_id;
  end if;
  if tg_table_name = 'message' then
    update message set accepted_reply = '' where message_id = new.message_id and accepted_reply <> '';
  end if;
  return null;
end $$;

grant execute on function queue_of, step_of_queue, is_exceptional, list_first_tries, record_first_tries, keep_wired to public;

-- What is there already is moved in pages by the next file, while web processes of the version before go on: this says how far it
-- is. While it has a row, the sums lack what has not been moved, so no step is finished by them.
create table outbox_move (
  moved_upto bigint not null, -- messages up to this one have been moved
  last_one   bigint not null  -- the last that was there; later ones come with their rows
);
insert into outbox_move select 0, max(message_id) from message having max(message_id) is not null;

-- Each page is a transaction of well under a second, so that it can be killed and begun again, and nobody waits for long. A
-- message that a statement has put into its queue meanwhile, or that a worker has taken from there, is not moved again. Then
-- those of workers of the version before: they notice the new one within seconds, record what is on the wire and hand back the
-- rest. What one leaves that does not end is like what any lost worker leaves. The sums at last are mended by what they lack, in
-- one statement, whose snapshot has each change with its sum or neither.
create procedure move_outbox(page_size integer default 5000, patience interval default '1 minute') language plpgsql as $$
declare
  upto bigint;
  waited_since timestamptz := clock_timestamp();
begin
  while exists (select from outbox_move where moved_upto < last_one) loop
    select max(page.message_id) into upto
    from (
      select m.message_id
      from outbox_move o
      join message m on m.message_id > o.moved_upto and m.message_id <= o.last_one
      order by m.message_id
      limit page_size
    ) as page;
    with page as materialized (
      select m.*
      from outbox_move o
      join message m on m.message_id > o.moved_upto and m.message_id <= upto
      where m.state = 'queued' or is_exceptional(m.state) or m.provider_id is not null
      order by m.message_id
      for no key update of m
    ), waiting as (
      insert into queue (message_id, queue_id, not_before, date_at, attempt)
      select message_id, queue_of(step_id, channel, sender_id), not_before, date_at, attempt
      from page
      where state = 'queued' and not exists (select from in_flight f where f.message_id = page.message_id)
      on conflict do nothing
    ), exceptions as (
      insert into message_exception (message_id, step_id, sender_id, channel, state, reason, changed_at)
      select message_id, step_id, sender_id, channel, state, reason, changed_at from page where is_exceptional(state)
      on conflict do nothing
    )
    insert into provider_message (provider_id, message_id)
    select provider_id, message_id from page where provider_id is not null
    on conflict do nothing;
    update outbox_move set moved_upto = coalesce(upto, last_one);
    commit;
  end loop;

  while clock_timestamp() < waited_since + patience and exists (
    select from dispatcher c
    where c.gone_at is null and c.until > clock_timestamp()
      and exists (select from message m where m.dispatcher_id = c.dispatcher_id and m.state = 'sending')
  ) loop
    commit;
    perform pg_sleep(0.5);
  end loop;
  loop
    with theirs as materialized (
      select m.message_id from message m where m.state = 'sending' order by m.message_id limit page_size for no key update
    ), taken as (
      insert into in_flight (
        message_id, queue_id, not_before, date_at, attempt, dispatcher_id, taken_at, wire_at, provider, sent_from, reason
      )
      select
        m.message_id, queue_of(m.step_id, m.channel, m.sender_id), m.not_before, m.date_at, m.attempt, coalesce(m.dispatcher_id, 0),
        m.changed_at, m.wire_at, m.provider, m.sent_from, m.reason
      from theirs
      join message m using (message_id)
    )
    update message m set state = 'queued' from theirs where m.message_id = theirs.message_id;
    exit when not found;
    commit;
  end loop;
  commit;

  insert into message_count (step_id, sender_id, channel, state, reason, at, n, sent, segments)
  select step_id, sender_id, channel, state, reason, at, sum(n), sum(sent), sum(segments)
  from (
    select
      step_id, sender_id, channel, state, reason, date_trunc('minute', coalesce(sent_at, now())) as at, count(*) as n,
      count(sent_at) as sent, coalesce(sum(segments), 0) as segments
    from message
    group by 1, 2, 3, 4, 5, 6
    union all
    select
      step_id, sender_id, channel, state, reason, date_trunc('minute', case when sent <> 0 then at else now() end), -n, -sent,
      -segments
    from message_count
  ) as both_ways
  group by 1, 2, 3, 4, 5, 6
  having sum(n) <> 0 or sum(sent) <> 0 or sum(segments) <> 0;
  delete from outbox_move;
  commit;
end $$;
revoke execute on procedure move_outbox from public;

-- migrate:down
