-- name: find_messages
-- Messages by the provider's id of any of their tries, the current one or an earlier one.
select provider_id, message_id from provider_message where provider_id = any ($1::text[])
union all
select provider_id, message_id from message_try where provider_id = any ($1::text[]);

-- name: lock_receipted
-- Locks the messages that some receipts are about, in the order of their ids so that two batches never deadlock.
select message_id from message where message_id = any ($1::bigint[]) order by message_id for update;

-- name: find_receipted
-- The locked messages, read after the lock, with what is in flight of them: workers take and put back messages without
-- touching these. Alive: it may be tried again, which it may not after its secrets were wiped.
select
  m.message_id, m.provider_id, case when m.state = 'queued' and f.message_id is not null then 'sending' else m.state end as state,
  m.step_id, m.sender_id, m.channel, m.address, greatest(m.attempt, f.attempt, q.attempt) as attempt,
  coalesce(f.wire_at, m.wire_at) as wire_at,
  coalesce(message_deadline(s.send_before, s.dated, m.date_at), t.send_before) as send_before,
  s.state in ('running', 'paused') or s.state = 'finished' and s.reopens_as is not null or not t.has_secrets as alive
from message m
left join in_flight f on f.message_id = m.message_id
left join queue q on q.message_id = m.message_id
left join step s using (step_id)
left join transactional t on t.message_id = case when m.step_id is null then m.message_id end
where m.message_id = any ($1::bigint[]);

-- name: list_tries
-- Earlier tries of locked messages; read after the lock, so that a try that another batch has just ended is not missed.
select message_id, provider_id, ended_by from message_try where message_id = any ($1::bigint[]);

-- name: move_states
-- Each message's state after all its receipts. A message that is tried again loses its provider's id and wire time, and
-- its attempt number goes up: a late outcome of the ended try matches no row. A next try that waits is taken out of its
-- queue, unless it is being claimed at this moment: the claim, or the last eligibility check, then finds that it is over.
-- So nothing waits here for a claim, which may be waiting for the message. A message that was queued and has ended tries
-- keeps its place in the queue, or gets one, for the next try; a worker that has it for an earlier try does not send it.
with waiting as materialized (
  select q.message_id
  from unnest($1::bigint[], $2::message_state[]) as n (message_id, state)
  join queue q using (message_id)
  where n.state <> 'queued'
  for update of q skip locked
), dequeued as (
  delete from queue q using waiting w where q.message_id = w.message_id
), were_queued as materialized (
  select message_id from message where message_id = any ($1::bigint[]) and state = 'queued'
), moved as (
  update message m
  set state = n.state,
      -- the delivered message names a date that its person no longer has: staff tell them by hand
      reason = coalesce(n.reason, case when m.reason = 'date_moved_late' and n.state <> 'queued' then m.reason end),
      provider_id = case when n.ended > 0 then n.provider_id else coalesce(m.provider_id, n.provider_id) end,
      attempt = case when n.ended > 0 then n.attempt + n.ended else m.attempt end,
      not_before = case n.state when 'queued' then n.not_before else m.not_before end,
      wire_at = case when n.ended > 0 then null else m.wire_at end,
      sent_at = coalesce(m.sent_at, now()), changed_at = now()
  from unnest($1::bigint[], $2::message_state[], $3::text[], $4::text[], $5::smallint[], $6::timestamptz[], $7::smallint[])
    as n (message_id, state, reason, provider_id, ended, not_before, attempt)
  where m.message_id = n.message_id
  returning m.message_id, m.step_id, m.channel, m.sender_id, m.state, m.not_before, m.date_at, m.attempt, n.ended
)
insert into queue (message_id, queue_id, not_before, date_at, attempt)
select message_id, queue_of(step_id, channel, sender_id), not_before, date_at, attempt
from moved
join were_queued using (message_id)
where state = 'queued' and ended > 0
on conflict (message_id) do update set not_before = excluded.not_before, attempt = excluded.attempt;

-- name: record_first_tries
-- Puts into the history that a worker took the messages for a try that has ended, before their columns are of the next.
select record_first_tries($1::bigint[]);

-- name: end_tries
-- Stores the provider's ids of ended tries, as long as receipts may come for them.
insert into message_try (message_id, attempt, provider_id, code, ended_by)
select *, 'receipt' from unnest($1::bigint[], $2::smallint[], $3::text[], $4::text[]);

-- name: reopen_steps
-- Reopens finished steps that have something to send again, unless their campaign was cancelled.
update step set state = reopens_as, finished_at = null
where step_id = any ($1::bigint[]) and state = 'finished' and reopens_as is not null;

-- name: record_receipts
-- Adds every receipt to the history; a receipt that changed nothing has no state.
insert into message_event (message_id, at, state, source, code, detail)
select * from unnest($1::bigint[], $2::timestamptz[], $3::message_state[], $4::text[], $5::text[], $6::jsonb[]);
