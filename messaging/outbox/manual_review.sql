-- name: count_held
-- How many messages are held for manual review, and how many an open alert names.
select count(*)::int as held_count,
  (select (detail ->> 'held')::int from alert where key = 'held' and resolved_at is null) as alerted
from message_exception
where state = 'ambiguous' and reason = 'held';

-- name: list_held
-- Held messages, all or those selected, in the order of their ids; transactional ones have no step.
select m.message_id, m.campaign_id, s.position, m.channel, m.address, m.wire_at
from message_exception x
join message m on m.message_id = x.message_id
left join step s on s.step_id = m.step_id
where x.state = 'ambiguous' and x.reason = 'held'
  and ($1::bigint[] is null or m.message_id = any ($1) or m.address = any ($2::text[]))
  and ($3::bigint is null or m.campaign_id = $3)
  and ($4::int is null or s.position = $4)
  and ($5::text is null or m.channel::text = $5)
  and ($6::timestamptz is null or coalesce(m.wire_at, m.changed_at) >= $6)
  and ($7::timestamptz is null or coalesce(m.wire_at, m.changed_at) < $7)
order by m.message_id;

-- name: settle_messages
-- Staff have decided about messages of unknown outcome: they left (accepted), or they are sent again (queued), unless
-- their campaign has been cancelled meanwhile. Messages that were settled otherwise since they were listed stay as they
-- are.
with settled as (
  update message m
  set state = (case when not $1 then 'accepted' when s.state = 'cancelled' then 'cancelled' else 'queued' end)::message_state,
      reason = case when $1 and s.state = 'cancelled' then 'campaign_cancelled' end,
      not_before = case when $1 then least(m.not_before, $2) else m.not_before end,
      sent_at = case when $1 then m.sent_at else coalesce(m.sent_at, m.wire_at, now()) end,
      wire_at = case when $1 then null else m.wire_at end,
      changed_at = clock_timestamp()
  from message_exception held
  left join step s on s.step_id = held.step_id
  where held.state = 'ambiguous' and held.reason = 'held' and ($4::bigint[] is null or held.message_id = any ($4))
    and m.message_id = held.message_id and m.state = 'ambiguous' and m.reason = 'held'
  returning m.message_id, m.state, m.reason
), new_events as (
  insert into message_event (message_id, state, source, code, detail)
  select message_id, state, 'staff', reason, jsonb_build_object('by', $3::text) from settled
)
select count(*) filter (where state <> 'cancelled') from settled;
