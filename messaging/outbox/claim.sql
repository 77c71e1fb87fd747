-- name: list_due_queues
-- Steps that have something to send now, by channel; messages of a paused sender wait without being claimed. A worker
-- looks from where it took the last ($3 to $5, by queue): rows taken before are still in the index as long as any
-- transaction might see them, and a backup would have each look walk over all of them.
select s.step_id, c.channel, s.priority, f.sender_id, f.pace::float8 as pace, s.frequency_caps as caps
from step s
cross join lateral unnest(s.channels) as c (channel)
join sender f on f.sender_id = case c.channel when 'sms' then s.sms_sender_id else s.email_sender_id end
left join unnest($3::bigint[], $4::timestamptz[], $5::bigint[]) as place (queue_id, not_before, message_id)
  on place.queue_id = queue_of(s.step_id, c.channel, null)
where s.state = 'running' and f.paused_reason is null and c.channel = any ($1::text[])
  and exists (
    select from queue q
    where q.queue_id = queue_of(s.step_id, c.channel, null) and q.not_before <= $2
      and (q.not_before, q.message_id) > (coalesce(place.not_before, '-infinity'), coalesce(place.message_id, 0))
  )
order by s.priority desc, s.step_id, c.channel;

-- name: list_due_transactional
-- Senders that have transactional messages to send now ($3: their priority).
select null::bigint as step_id, f.channel, $3::int as priority, f.sender_id, f.pace::float8 as pace, '[]'::jsonb as caps
from sender f
left join unnest($4::bigint[], $5::timestamptz[], $6::bigint[]) as place (queue_id, not_before, message_id)
  on place.queue_id = queue_of(null, null, f.sender_id)
where f.paused_reason is null and f.channel = any ($1::text[])
  and exists (
    select from queue q
    where q.queue_id = queue_of(null, null, f.sender_id) and q.not_before <= $2
      and (q.not_before, q.message_id) > (coalesce(place.not_before, '-infinity'), coalesce(place.message_id, 0))
  )
order by f.sender_id;

-- name: claim
-- Claims the next due rows of one step and channel for a worker, and checks the eligibility of each: a message is
-- withdrawn or put off here if its recipient has met the goal, is suppressed, has not agreed to marketing, has reached
-- a frequency cap, is in quiet hours or outside the sending window, or would get it after the deadline. SKIP LOCKED, so
-- that workers never wait for each other. The row in the queue goes, and one in flight stands for the message: it is
-- not written itself, unless it is stopped or put off. A row whose message has ended meanwhile (a receipt said that an
-- earlier try arrived) is dropped. In the order in which they were due, from the place where the last claim ended.
with due as materialized (
  select q.ctid as place
  from queue q
  where q.queue_id = queue_of($1, $2, null) and q.not_before <= $3 and (q.not_before, q.message_id) > ($7, $8)
  order by q.not_before, q.message_id
  limit $4
  for update skip locked
), taken as (
  delete from queue q using due where q.ctid = due.place
  returning q.message_id, q.queue_id, q.not_before, q.date_at, q.attempt
), seen as materialized (
  select
    t.message_id, t.queue_id, t.not_before, t.date_at, t.attempt, m.person_id, m.address, m.variables, m.sender_id,
    m.reason as waited_for, s.purpose, message_deadline(s.send_before, s.dated, m.date_at) as send_before,
    stop.answered, stop.suppressed,
    case when s.asleep_from is not null or s.window_days is not null or s.window_from is not null or s.send_after > $3
      then coalesce(
        sending_opens(
          $3, m.time_zone, s.asleep_from, s.asleep_until, s.send_after, s.window_zone, s.window_days, s.window_from,
          s.window_until
        ),
        'infinity'
      )
    end as opens,
    s.asleep_from is not null
      and not may_send_at($3, m.time_zone, s.asleep_from, s.asleep_until, null, null, null, null) as asleep,
    s.state = 'running' as running
  from taken t
  join message m on m.message_id = t.message_id
  cross join (
    select
      *,
      case when quiet_channels is null or $2 = any (quiet_channels) then quiet_from end as asleep_from,
      case when quiet_channels is null or $2 = any (quiet_channels) then quiet_until end as asleep_until
    from step
  ) as s
  cross join lateral stops_of(s.goal_id, m.person_id, $2, m.address, s.purpose) as stop
  where s.step_id = $1 and m.state = 'queued'
), counted as materialized (
  -- caps are not counted for a message that is stopped anyway or waits for its window; each cap is counted only once
  select
    *,
    case when $6::jsonb <> '[]' and not answered and suppressed is null and coalesce(opens <= $3, true)
      then cap_frees_at(person_id, purpose, $3, $6, message_id)
    end as frees
  from seen
), judged as materialized (
  select
    *,
    -- if the window never opens, a step without a deadline is checked again in a week, because people may change time
    -- zone
    greatest(case opens when 'infinity' then $3 + interval '7 days' else opens end, frees) as waits_until,
    case
      when not running then 'back'
      when answered then 'cancelled'
      when suppressed is not null then 'suppressed'
      when frees >= send_before then 'suppressed'
      when greatest(opens, $3) >= send_before then 'expired'
      when frees is not null or opens > $3 then 'queued'
      else 'sending'
    end as state,
    case
      when answered then 'answered'
      when suppressed is not null then suppressed
      when frees >= send_before then 'frequency_cap'
      when greatest(opens, $3) >= send_before then 'past_deadline'
      when frees is not null then 'frequency_cap'
      when opens > $3 and asleep then 'quiet_hours'
      when opens > $3 then 'sending_window'
    end as reason
  from counted
), put_in_flight as (
  -- a row may be left of a try that a receipt has ended before its worker did: the newer attempt replaces it
  insert into in_flight (message_id, queue_id, not_before, date_at, attempt, dispatcher_id, reason)
  select message_id, queue_id, not_before, date_at, attempt + 1, $5, waited_for from judged where state = 'sending'
  on conflict (message_id) do update
    set queue_id = excluded.queue_id, not_before = excluded.not_before, date_at = excluded.date_at,
        attempt = excluded.attempt, dispatcher_id = excluded.dispatcher_id, taken_at = excluded.taken_at, wire_at = null,
        provider = null, sent_from = null, reason = excluded.reason
), written as (
  -- a receipt may end the message at this very moment: then its word counts, and nothing is written here
  update message m
  set state = j.state::message_state,
      reason = j.reason,
      not_before = case j.state when 'queued' then j.waits_until else m.not_before end,
      attempt = j.attempt,
      changed_at = now()
  from judged j
  where m.message_id = j.message_id and m.state = 'queued' and j.state not in ('sending', 'back')
  returning j.message_id, j.queue_id, j.waits_until, j.date_at, j.attempt, j.state, j.reason
), waiting as (
  insert into queue (message_id, queue_id, not_before, date_at, attempt)
  select message_id, queue_id, waits_until, date_at, attempt from written where state = 'queued'
  union all
  select message_id, queue_id, not_before, date_at, attempt from judged where state = 'back'
), new_events as (
  insert into message_event (message_id, state, source, code, detail)
  select
    message_id, nullif(state, 'queued')::message_state, 'worker', reason,
    case state when 'queued' then jsonb_build_object('until', waits_until) end
  from written
)
select message_id, (attempt + 1)::smallint as attempt, address, sender_id, state, not_before, variables
from judged
where state <> 'back'
order by not_before, message_id;

-- name: claim_transactional
-- Claims the next due transactional messages of one sender. Only suppressions, deadlines and an erasure can stop them.
-- Somebody who has an address and no membership cannot be suppressed as a person, but an erasure deletes the contents
-- of their messages.
with due as materialized (
  select q.ctid as place
  from queue q
  where q.queue_id = queue_of(null, null, $1) and q.not_before <= $3 and (q.not_before, q.message_id) > ($6, $7)
  order by q.not_before, q.message_id
  limit $4
  for update skip locked
), taken as (
  delete from queue q using due where q.ctid = due.place
  returning q.message_id, q.queue_id, q.not_before, q.date_at, q.attempt
), seen as materialized (
  select
    d.message_id, d.queue_id, d.not_before, d.date_at, d.attempt, m.address, m.sender_id,
    m.reason as waited_for, t.send_before,
    t.kind, t.content, t.concealed, t.in_reply_to, t.thread,
    case when t.content is null then 'erased'
      else stop_of_transactional(t.kind, t.reference, $2, m.address, stop.for_person, stop.suppressed) end as suppressed
  from taken d
  join message m on m.message_id = d.message_id
  left join transactional t on t.message_id = d.message_id
  cross join lateral stops_of(null, m.person_id, $2, m.address, t.purpose) as stop
  where m.state = 'queued'
), judged as materialized (
  select
    *, coalesce(suppressed, case when send_before <= $3 then 'past_deadline' end) as reason,
    case when suppressed is not null then 'suppressed' when send_before <= $3 then 'expired' else 'sending' end as state
  from seen
), put_in_flight as (
  insert into in_flight (message_id, queue_id, not_before, date_at, attempt, dispatcher_id, reason)
  select message_id, queue_id, not_before, date_at, attempt + 1, $5, waited_for from judged where state = 'sending'
  on conflict (message_id) do update
    set queue_id = excluded.queue_id, not_before = excluded.not_before, date_at = excluded.date_at,
        attempt = excluded.attempt, dispatcher_id = excluded.dispatcher_id, taken_at = excluded.taken_at, wire_at = null,
        provider = null, sent_from = null, reason = excluded.reason
), written as (
  update message m
  set state = j.state::message_state, reason = j.reason, attempt = j.attempt, changed_at = now()
  from judged j
  where m.message_id = j.message_id and m.state = 'queued' and j.state <> 'sending'
  returning j.message_id, j.state, j.reason
), new_events as (
  insert into message_event (message_id, state, source, code)
  select message_id, state::message_state, 'worker', reason from written
)
select
  message_id, (attempt + 1)::smallint as attempt, address, sender_id, state, not_before, kind, content, concealed, in_reply_to,
  thread, send_before
from judged
order by not_before, message_id;

-- name: read_transactional
-- One transactional message of unknown outcome, to be composed as it was.
select kind, content, concealed, in_reply_to, thread, send_before from transactional where message_id = $1;

-- name: hand_back
-- Puts messages back that were claimed and never on the wire, as if they had not been claimed, at their place in the
-- queue. Their history says that they were taken, and by whom.
with freed as (
  delete from in_flight f
  using unnest($1::bigint[], $2::smallint[]) as h (message_id, attempt)
  where f.message_id = h.message_id and f.attempt = h.attempt and f.wire_at is null
  returning f.*
), back as (
  select freed.*, d.name
  from freed
  join message m on m.message_id = freed.message_id and m.state = 'queued'
  left join dispatcher d on d.dispatcher_id = freed.dispatcher_id
), waiting as (
  insert into queue (message_id, queue_id, not_before, date_at, attempt)
  select message_id, queue_id, not_before, date_at, attempt from back
  on conflict (message_id) do nothing -- a receipt has ended that try, and put the next one there
), new_events as (
  insert into message_event (message_id, at, state, source, code, detail)
  select back.message_id, e.at, e.state::message_state, 'worker', e.code, e.detail
  from back
  cross join lateral (
    values
      (1, back.taken_at, 'sending', null, jsonb_build_object('attempt', back.attempt, 'by', back.name)),
      (2, now(), 'queued', 'handed_back', null)
  ) as e (n, at, state, code, detail)
  order by back.message_id, e.n
)
select count(*) from back;

-- name: list_unanswered_claims
-- What a worker has claimed from a queue without an answer ($3: what it knows of): its connection broke before the answer
-- came. The worker goes on, so nobody else would ever take these over.
select message_id, attempt from in_flight
where dispatcher_id = $1 and queue_id = $2 and wire_at is null and message_id <> all ($3::bigint[]);

-- name: lock_caps
-- Two workers that count one person's messages at the same moment would each see room for one more: where caps apply,
-- claims run one after the other. The lock ends with the claim's transaction, after milliseconds.
select pg_advisory_xact_lock(hashtext('frequency caps'));
