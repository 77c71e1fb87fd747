-- name: lock_waiting
-- Locks what waits of a step's messages to some people, in the order of their ids; before the
-- messages, as claims do.
select q.message_id
from message m
join queue q on q.message_id = m.message_id
where m.step_id = $1 and m.person_id = any ($2::bigint[])
order by q.message_id
for update of q;

-- name: lock_claimed
-- Locks what workers have taken and not put on the wire: their intents wait, and find it changed.
select f.message_id
from message m
join in_flight f on f.message_id = m.message_id
where m.step_id = $1 and m.person_id = any ($2::bigint[]) and f.wire_at is null
order by f.message_id
for update of f;

-- name: lock_messages
-- Locks the messages themselves.
select from message where step_id = $1 and person_id = any ($2::bigint[]) order by message_id for update;

-- name: count_moving
-- How many of the messages a worker has taken or put back between the locks, so that the lock missed them.
select count(*)
from message m
where m.step_id = $1 and m.person_id = any ($2::bigint[]) and m.state = 'queued' and m.message_id <> all ($3::bigint[])
  and not exists (select from in_flight f where f.message_id = m.message_id and f.wire_at is not null);

-- name: read_locked
-- The locked messages, read after the lock, because a worker that held it may have claimed or sent some meanwhile. A
-- message that a worker has claimed and not put on the wire can still be changed: the worker's intent then finds it
-- changed. An erased message stays as it is.
select
  m.message_id, m.person_id, case when f.message_id is null then m.state else 'sending' end::text as state, m.reason, m.channel,
  m.address, m.date_at,
  m.state = 'queued' and f.wire_at is null as waits,
  (
    m.state in ('skipped', 'suppressed', 'cancelled', 'expired') or m.state = 'queued' and f.wire_at is null
  ) and coalesce(m.address, '') !~ '^erased-' as unsent,
  m.state in ('accepted', 'sent', 'delivered', 'read') as sent,
  m.state not in ('queued', 'ambiguous') as over,
  not may_have_left(m) as movable,
  case m.reason when 'date_moved_late' then (
    select (e.detail ->> 'date')::timestamptz from message_event e
    where e.message_id = m.message_id and e.code = 'date_moved_late'
    order by e.event_id desc
    limit 1
  ) end as moved_to
from message m
left join in_flight f on f.message_id = m.message_id and m.state = 'queued'
where m.step_id = $1 and m.person_id = any ($2::bigint[]);

-- name: note_late_moves
-- Records that the dates of sent messages have changed since; lists and counts show it as a reason. The message keeps
-- the date that it named.
with moved as (
  update message m
  set reason = $3, changed_at = $4
  from unnest($1::bigint[], $2::timestamptz[]) as d (message_id, date_at)
  where m.message_id = d.message_id
  returning m.message_id, d.date_at
)
insert into message_event (message_id, at, source, code, detail)
select message_id, $4, 'dates', $3, jsonb_build_object('date', date_at) from moved;

-- name: note_moves_back
-- Records that the dates of sent messages are again the ones they named, so nobody has to tell their recipients.
with moved as (
  update message set reason = null, changed_at = $3 where message_id = any ($1::bigint[]) returning message_id
)
insert into message_event (message_id, at, source, code) select message_id, $3, 'dates', $2 from moved;
