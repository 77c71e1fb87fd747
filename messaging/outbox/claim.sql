-- name: list_due_queues
-- Steps that have something to send now, by channel; messages of a paused sender wait without being claimed.
select s.step_id, c.channel, s.priority, f.sender_id, f.pace::float8 as pace, s.frequency_caps as caps
from step s
cross join lateral unnest(s.channels) as c (channel)
join sender f on f.sender_id = case c.channel when 'sms' then s.sms_sender_id else s.email_sender_id end
where s.state = 'running' and f.paused_reason is null and c.channel = any ($1::text[])
  and exists (
    select from message m
    where m.step_id = s.step_id and m.channel = c.channel and m.state = 'queued' and m.not_before <= $2
  )
order by s.priority desc, s.step_id, c.channel;

-- name: list_due_transactional
-- Senders that have transactional messages to send now ($3: their priority).
select null::bigint as step_id, f.channel, $3::int as priority, f.sender_id, f.pace::float8 as pace, '[]'::jsonb as caps
from sender f
where f.paused_reason is null and f.channel = any ($1::text[])
  and exists (
    select from message m
    where m.step_id is null and m.sender_id = f.sender_id and m.state = 'queued' and m.not_before <= $2
  )
order by f.sender_id;

-- name: claim
-- Claims the next due rows of one step and channel for a worker, and checks the eligibility of each: a message is
-- withdrawn or put off here if its recipient has met the goal, is suppressed, has not agreed to marketing, has reached
-- a frequency cap, is in quiet hours or outside the sending window, or would get it after the deadline. SKIP LOCKED, so
-- that workers never wait for each other.
with due as materialized (
  select m.message_id, m.person_id, m.address, m.time_zone, m.date_at
  from message m
  where m.step_id = $1 and m.channel = $2 and m.state = 'queued' and m.not_before <= $3
  order by m.not_before, m.message_id
  limit $4
  for no key update skip locked
), seen as materialized (
  select
    d.message_id, d.person_id, s.purpose, message_deadline(s.send_before, s.dated, d.date_at) as send_before,
    stop.answered, stop.suppressed,
    case when s.asleep_from is not null or s.window_days is not null or s.window_from is not null or s.send_after > $3
      then coalesce(
        sending_opens(
          $3, d.time_zone, s.asleep_from, s.asleep_until, s.send_after, s.window_zone, s.window_days, s.window_from,
          s.window_until
        ),
        'infinity'
      )
    end as opens,
    s.asleep_from is not null
      and not may_send_at($3, d.time_zone, s.asleep_from, s.asleep_until, null, null, null, null) as asleep
  from due d
  cross join (
    select
      *,
      case when quiet_channels is null or $2 = any (quiet_channels) then quiet_from end as asleep_from,
      case when quiet_channels is null or $2 = any (quiet_channels) then quiet_until end as asleep_until
    from step
  ) as s
  cross join lateral stops_of(s.goal_id, d.person_id, $2, d.address, s.purpose) as stop
  where s.step_id = $1 and s.state = 'running'
), counted as materialized (
  -- caps are not counted for a message that is stopped anyway or waits for its window; each cap is counted only once
  select
    *,
    case when $6::jsonb <> '[]' and not answered and suppressed is null and coalesce(opens <= $3, true)
      then cap_frees_at(person_id, purpose, $3, $6, message_id)
    end as frees
  from seen
), judged as (
  select
    message_id,
    -- if the window never opens, a step without a deadline is checked again in a week, because people may change time
    -- zone
    greatest(case opens when 'infinity' then $3 + interval '7 days' else opens end, frees) as waits_until,
    case
      when answered then 'cancelled'
      when suppressed is not null then 'suppressed'
      when frees >= send_before then 'suppressed'
      when greatest(opens, $3) >= send_before then 'expired'
      when frees is not null or opens > $3 then 'queued'
      else 'sending'
    end::message_state as state,
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
), taken as (
  update message m
  set state = j.state,
      reason = j.reason,
      not_before = case j.state when 'queued' then j.waits_until else m.not_before end,
      attempt = case j.state when 'sending' then m.attempt + 1 else m.attempt end,
      dispatcher_id = $5,
      wire_at = null,
      changed_at = now()
  from judged j
  where m.message_id = j.message_id
  returning m.message_id, m.attempt, m.address, m.variables, m.sender_id, m.state, m.reason, m.not_before
), new_events as (
  insert into message_event (message_id, state, source, code, detail)
  select
    message_id, nullif(state, 'queued'), 'worker', reason,
    case state when 'sending' then jsonb_build_object('attempt', attempt, 'by', (select name from dispatcher where dispatcher_id = $5))
      when 'queued' then jsonb_build_object('until', not_before) end
  from taken
)
select message_id, attempt, address, variables, sender_id, state from taken order by message_id;

-- name: claim_transactional
-- Claims the next due transactional messages of one sender. Only suppressions, deadlines and an erasure can stop them.
-- Somebody who has an address and no membership cannot be suppressed as a person, but an erasure deletes the contents
-- of their messages.
with due as materialized (
  select m.message_id, m.person_id, m.address
  from message m
  where m.step_id is null and m.sender_id = $1 and m.state = 'queued' and m.not_before <= $3
  order by m.not_before, m.message_id
  limit $4
  for no key update skip locked
), seen as materialized (
  select
    d.message_id, t.send_before,
    case when t.content is null then 'erased'
      else stop_of_transactional(t.kind, t.reference, $2, d.address, stop.for_person, stop.suppressed) end as suppressed
  from due d
  join transactional t using (message_id)
  cross join lateral stops_of(null, d.person_id, $2, d.address, t.purpose) as stop
), taken as (
  update message m
  set state = (
        case when s.suppressed is not null then 'suppressed' when s.send_before <= $3 then 'expired' else 'sending' end
      )::message_state,
      reason = coalesce(s.suppressed, case when s.send_before <= $3 then 'past_deadline' end),
      attempt = m.attempt + (s.suppressed is null and coalesce(s.send_before > $3, true))::int,
      dispatcher_id = $5,
      wire_at = null,
      changed_at = now()
  from seen s
  where m.message_id = s.message_id
  returning m.message_id, m.attempt, m.address, m.sender_id, m.state, m.reason
), new_events as (
  insert into message_event (message_id, state, source, code, detail)
  select
    message_id, state, 'worker', reason,
    case state when 'sending' then jsonb_build_object('attempt', attempt, 'by', (select name from dispatcher where dispatcher_id = $5)) end
  from taken
)
select
  k.message_id, k.attempt, k.address, k.sender_id, k.state, t.kind, t.content, t.concealed, t.in_reply_to, t.thread, t.send_before
from taken k
join transactional t using (message_id)
order by k.message_id;

-- name: read_transactional
-- One transactional message of unknown outcome, to be composed as it was.
select kind, content, concealed, in_reply_to, thread, send_before from transactional where message_id = $1;

-- name: hand_back
-- Puts messages back that were claimed and never on the wire, as if they had not been claimed.
with back as (
  update message m
  set state = 'queued', changed_at = now()
  from unnest($1::bigint[], $2::smallint[]) as h (message_id, attempt)
  where m.message_id = h.message_id and m.attempt = h.attempt and m.state::text = 'sending' and m.wire_at is null
  returning m.message_id
), new_events as (
  insert into message_event (message_id, state, source, code)
  select message_id, 'queued', 'worker', 'handed_back' from back
)
select count(*) from back;

-- name: lock_caps
-- Two workers that count one person's messages at the same moment would each see room for one more: where caps apply,
-- claims run one after the other. The lock ends with the claim's transaction, after milliseconds.
select pg_advisory_xact_lock(hashtext('frequency caps'));
