-- name: find_message
-- One message and its status; archived messages are found, too, here and below. One that a worker has taken is in flight.
select m.message_id, m.person_id, m.campaign_id, m.channel, m.address,
  case when i.message_id is null then m.state else 'sending' end as state, case when i.message_id is null then m.reason end as reason,
  coalesce(i.attempt, q.attempt, m.attempt) as attempt, coalesce(q.not_before, m.not_before) as not_before, m.date_at,
  m.provider_id, m.segments, m.created_at, m.sent_at, m.changed_at, s.position, s.template, s.state as step_state,
  t.kind, t.content, t.asked_by, f.address as sender, f.paused_reason, coalesce(q.not_before, m.not_before) > now() as later,
  array(
    select t.provider_id from message_try t
    where t.message_id = m.message_id and t.provider_id is not null order by t.attempt
  ) as earlier_ids
from message_any m
left join step s using (step_id)
left join transactional t on t.message_id = m.message_id
left join sender f using (sender_id)
left join in_flight i on i.message_id = m.message_id and m.state = 'queued'
left join queue q on q.message_id = m.message_id and m.state = 'queued'
where m.message_id = $1;

-- name: list_events
-- Events of a message, in the order they were written. That a worker took it for its first try, and that a provider
-- accepted that, has no event of its own where it was simply accepted: then its columns say so, or later events below
-- all others do; they come before what followed. While it is in flight, the row there says who has it.
with known_events as materialized (
  select event_id, at, state, source, code, detail from message_event_any where message_id = $1
), lines as (
  select event_id, at, state, source, code, detail from known_events
  union all
  select -2, m.wire_at, 'sending', 'worker', null, jsonb_strip_nulls(jsonb_build_object('attempt', m.attempt, 'by', d.name))
  from message m
  left join dispatcher d on d.dispatcher_id = m.dispatcher_id
  where m.message_id = $1 and m.wire_at is not null
    and not exists (select from known_events where known_events.state = 'sending')
  union all
  select -1, m.sent_at, 'accepted', coalesce(m.provider, 'worker'), nullif(m.accepted_reply, ''), null
  from message m
  where m.message_id = $1 and m.accepted_reply is not null
    and not exists (select from known_events where known_events.state = 'accepted')
), began as (
  select min(event_id) as event_id
  from lines
  where event_id > 0
    and (state not in ('queued', 'sending') or at >= (select first.at from lines as first where first.event_id = -2))
)
select at, state, source, code, detail
from (
  select
    case when event_id < 0 then coalesce((select event_id from began), 9223372036854775807) else event_id end as place,
    event_id as n, lines.*
  from lines
  union all
  select
    9223372036854775807, 0, 0, i.taken_at, 'sending', 'worker', null,
    jsonb_strip_nulls(jsonb_build_object('attempt', i.attempt, 'by', d.name))
  from in_flight i
  join message m on m.message_id = i.message_id and m.state = 'queued'
  left join dispatcher d on d.dispatcher_id = i.dispatcher_id
  where i.message_id = $1
) as line
order by place, n;

-- name: list_of_person
-- Messages to a person, the latest first.
select message_id from messages_of($1)
union all
select message_id from message_archive where person_id = $1
order by message_id desc limit $2;

-- name: list_to_nobody
-- Transactional messages to an address when nobody was known to have it, the latest first; the archive has few of
-- these.
select message_id from messages_to_nobody($1, $2)
union all
select message_id from message_archive where person_id is null and channel = $1 and address = $2
order by message_id desc limit $3;

-- name: list_messages
-- A page of a campaign's messages, or of all, by state ($2; $6: as they are stored) and reason. Messages in flight are
-- queued ones that a worker has taken.
select
  m.message_id, m.person_id, m.channel, m.address, case when i.message_id is null then m.state else 'sending' end as state,
  case when i.message_id is null then m.reason end as reason, m.attempt, m.sent_at, m.changed_at, s.position, t.kind
from message_any m
left join step s using (step_id)
left join transactional t on t.message_id = m.message_id
left join in_flight i on i.message_id = m.message_id and m.state = 'queued'
where ($1::bigint is null or m.campaign_id = $1 and m.step_id in (select step_id from step where campaign_id = $1))
  and ($2::message_state[] is null
    or m.state = any ($6::message_state[]) and case when i.message_id is null then m.state else 'sending' end = any ($2))
  and ($3::text is null or m.reason = $3 and i.message_id is null)
  and m.message_id > $4
order by m.message_id
limit $5;

-- name: list_exceptions
-- The same for the rare states, whose messages in the outbox have an index of their own.
select
  m.message_id, m.person_id, m.channel, m.address, m.state, m.reason, m.attempt, m.sent_at, m.changed_at, s.position, t.kind
from (
  select m.message_id, m.step_id, m.person_id, m.channel, m.address, m.state, m.reason, m.attempt, m.sent_at, m.changed_at
  from (
    select x.message_id
    from message_exception x
    where ($1::bigint is null or x.step_id in (select step_id from step where campaign_id = $1))
      and x.state = any ($2::message_state[]) and ($3::text is null or x.reason = $3) and x.message_id > $4
    order by x.message_id
    limit $5
  ) as rare
  join message m on m.message_id = rare.message_id
  union all
  select a.message_id, a.step_id, a.person_id, a.channel, a.address, a.state, a.reason, a.attempt, a.sent_at, a.changed_at
  from message_archive a
  where ($1 is null or a.campaign_id = $1 and a.step_id in (select step_id from step where campaign_id = $1))
    and a.state = any ($2) and ($3 is null or a.reason = $3) and a.message_id > $4
) as m
left join step s using (step_id)
left join transactional t on t.message_id = m.message_id
order by m.message_id
limit $5;
