-- name: record_outcomes
-- Records the outcomes of the last messages, and records the next ones as on the wire after a last eligibility check,
-- in one statement. Each half is guarded by the attempt number, so a worker that was declared gone changes nothing.
--
-- The outcomes. A receipt may have come first: then only missing values are added. An outcome that comes after its
-- worker was declared gone still counts while no other worker has claimed the message: it settles an ambiguous one.
with outcome as (
  select *
  from unnest(
    $1::bigint[], $2::smallint[], $3::message_state[], $4::text[], $5::text[], $6::text[], $7::float8[], $8::text[],
    $9::smallint[]
  ) as o (message_id, attempt, state, reason, code, reply, delay, provider_id, segments)
), recorded as (
  update message m
  set state = case when m.state in ('sending', 'ambiguous', 'queued') then o.state else m.state end,
      reason = case when m.state in ('sending', 'ambiguous', 'queued') then o.reason else m.reason end,
      not_before = case o.state when 'queued' then $15::timestamptz + o.delay * interval '1 second' else m.not_before end,
      wire_at = case o.state when 'queued' then null else m.wire_at end,
      provider_id = coalesce(m.provider_id, o.provider_id),
      segments = coalesce(o.segments, m.segments),
      sent_at = case o.state when 'accepted' then coalesce(m.sent_at, now()) else m.sent_at end,
      changed_at = clock_timestamp()
  from outcome o
  where m.message_id = o.message_id and m.attempt = o.attempt
    and (
      m.state = 'sending'
      or m.state in ('ambiguous', 'queued') and o.state <> 'ambiguous'
      or m.provider_id is null and o.provider_id is not null
    )
  returning m.message_id, m.state, m.provider
), new_events as (
  insert into message_event (message_id, state, source, code, detail)
  select
    o.message_id, case when r.state = o.state then o.state end, coalesce(r.provider, $14::text),
    coalesce(o.code, o.reason),
    case when o.reply is not null then jsonb_build_object('reply', o.reply, 'reason', o.reason) end
  from outcome o
  join recorded r using (message_id)
),
-- The next ones, and the last eligibility check: still this worker's, the step still running, the goal not met and
-- nothing suppressed since. An attempt belongs to one worker, so recording it again, after this server's answer was
-- lost, is harmless. Materialized: otherwise each reference would run the subqueries again.
seen as materialized (
  select
    m.message_id, n.attempt, n.confirm, n.unsubscribe, n.provider, n.sent_from,
    coalesce(s.state, 'running') as step_state,
    coalesce(message_deadline(s.send_before, s.dated, m.date_at), t.send_before) as send_before,
    f.paused_reason, stop.answered,
    case
      when m.step_id is not null then stop.suppressed
      when t.content is null then 'erased'
      else stop_of_transactional(t.kind, t.reference, m.channel, m.address, stop.for_person, stop.suppressed)
    end as suppressed
  from unnest($10::bigint[], $11::smallint[], $12::bytea[], $13::bytea[], $16::text[], $17::text[])
    as n (message_id, attempt, confirm, unsubscribe, provider, sent_from)
  join message m on m.message_id = n.message_id and m.attempt = n.attempt
  left join step s on s.step_id = m.step_id
  -- messages of steps have no id here, so nothing is looked up for them
  left join transactional t on t.message_id = case when m.step_id is null then m.message_id end
  join sender f on f.sender_id = m.sender_id
  join dispatcher c on c.dispatcher_id = m.dispatcher_id and c.gone_at is null
  cross join lateral stops_of(s.goal_id, m.person_id, m.channel, m.address, coalesce(s.purpose, t.purpose)) as stop
  -- as text, so that the planner finds these few by their ids and does not scan everything that is claimed
  where m.state::text = 'sending'
), next as materialized (
  select
    message_id, attempt, confirm, unsubscribe, provider, sent_from, suppressed,
    case
      when answered then 'answered'
      when suppressed is not null then 'suppressed'
      when step_state = 'cancelled' then 'campaign_cancelled'
      when send_before <= $15::timestamptz then 'past_deadline'
      when step_state <> 'running' or paused_reason is not null then 'handed_back'
    end as stopped
  from seen
), wired as (
  update message m
  set state = (
        case n.stopped
          when 'answered' then 'cancelled'
          when 'suppressed' then 'suppressed'
          when 'campaign_cancelled' then 'cancelled'
          when 'past_deadline' then 'expired'
          when 'handed_back' then 'queued'
          else 'sending'
        end
      )::message_state,
      reason = case n.stopped when 'suppressed' then n.suppressed when 'handed_back' then null else n.stopped end,
      wire_at = case when n.stopped is null then clock_timestamp() end,
      provider = case when n.stopped is null then n.provider else m.provider end,
      sent_from = case when n.stopped is null then n.sent_from else m.sent_from end
  from next n
  where m.message_id = n.message_id and m.attempt = n.attempt and m.state::text = 'sending'
  returning m.message_id, m.state, n.stopped, n.suppressed, n.confirm, n.unsubscribe
), stopped as (
  insert into message_event (message_id, state, source, code)
  select message_id, state, 'worker', coalesce(suppressed, stopped) from wired where stopped is not null
), linked as (
  insert into link (digest, message_id, action)
  select confirm, message_id, 'confirm' from wired where stopped is null and confirm is not null
  union all
  select unsubscribe, message_id, 'unsubscribe' from wired where stopped is null and unsubscribe is not null
  on conflict do nothing
)
select message_id, state from wired;
