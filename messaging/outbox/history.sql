-- name: find_message
-- One message and its status; archived messages are found, too, here and below.
select m.message_id, m.person_id, m.campaign_id, m.channel, m.address, m.state, m.reason, m.attempt, m.not_before, m.date_at,
  m.provider_id, m.segments, m.created_at, m.sent_at, m.changed_at, s.position, s.template, s.state as step_state,
  t.kind, t.content, t.asked_by, f.address as sender, f.paused_reason, m.not_before > now() as later,
  array(
    select t.provider_id from message_try t
    where t.message_id = m.message_id and t.provider_id is not null order by t.attempt
  ) as earlier_ids
from message_any m
left join step s using (step_id)
left join transactional t on t.message_id = m.message_id
left join sender f using (sender_id)
where m.message_id = $1;

-- name: list_events
-- Events of a message, in the order they were written.
select at, state, source, code, detail from message_event_any where message_id = $1 order by event_id;

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
-- A page of a campaign's messages, or of all, by state and reason.
select
  m.message_id, m.person_id, m.channel, m.address, m.state, m.reason, m.attempt, m.sent_at, m.changed_at, s.position, t.kind
from message_any m
left join step s using (step_id)
left join transactional t on t.message_id = m.message_id
where ($1::bigint is null or m.campaign_id = $1 and m.step_id in (select step_id from step where campaign_id = $1))
  and ($2::message_state[] is null or m.state = any ($2))
  and ($3::text is null or m.reason = $3)
  and m.message_id > $4
order by m.message_id
limit $5;
