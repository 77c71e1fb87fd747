-- name: record_acceptances
-- What happens to nearly every message, and so in few steps: outcomes of first tries that a provider accepted, and the
-- intents to send messages of steps that nothing stops. Whatever is not among its rows is for `record_outcomes`: late
-- outcomes, and intents that the last eligibility check stops; these stay in flight until then. Where a message was
-- simply accepted, its columns say so instead of an event, and the sums are added up here, not by the trigger, to
-- which `accepted_reply` says that. A receipt may have come first: then only missing values are added, with an event.
with landed as materialized (
  delete from in_flight f
  using unnest($1::bigint[], $2::smallint[], $3::text[], $4::text[], $5::smallint[])
    as o (message_id, attempt, code, provider_id, segments)
  where f.message_id = o.message_id and f.attempt = o.attempt
  returning
    f.message_id, f.attempt, f.dispatcher_id, f.wire_at, f.provider, f.sent_from, f.reason, o.code, o.provider_id, o.segments
), recorded as (
  update message m
  set state = case when m.state in ('queued', 'ambiguous') then 'accepted' else m.state end,
      reason = case when m.state in ('queued', 'ambiguous') then null else m.reason end,
      attempt = l.attempt, dispatcher_id = l.dispatcher_id, wire_at = l.wire_at, provider = l.provider, sent_from = l.sent_from,
      provider_id = coalesce(m.provider_id, l.provider_id), segments = coalesce(l.segments, m.segments),
      sent_at = coalesce(m.sent_at, now()), changed_at = clock_timestamp(),
      accepted_reply = case
        when m.state = 'queued' and m.sent_at is null and m.segments is null and m.provider_id is null
          and m.reason is not distinct from l.reason and l.provider is not null
        then coalesce(l.code, '')
      end
  from landed l
  where m.message_id = l.message_id and m.attempt <= l.attempt
  returning
    m.message_id, m.step_id, m.sender_id, m.channel, m.state, m.provider, m.provider_id, m.segments,
    m.accepted_reply is not null as simply, l.reason, l.code
), counted as (
  insert into message_count (step_id, sender_id, channel, state, reason, at, n, sent, segments)
  select r.step_id, r.sender_id, r.channel, c.state::message_state, c.reason, date_trunc('second', now()), c.n, c.sent, c.segments
  from (
    select step_id, sender_id, channel, reason, count(*)::int as n, coalesce(sum(segments), 0) as segments
    from recorded
    where simply
    group by step_id, sender_id, channel, reason
  ) as r
  cross join lateral (values ('queued', r.reason, -r.n, 0, 0), ('accepted', null, r.n, r.n, r.segments))
    as c (state, reason, n, sent, segments)
), named as (
  insert into provider_message (provider_id, message_id)
  select provider_id, message_id from recorded where simply and provider_id is not null
), new_events as (
  insert into message_event (message_id, state, source, code)
  select message_id, case when state = 'accepted' then state end, coalesce(provider, $13::text), code
  from recorded
  where not simply or (select exists (select from followed_state where state = 'accepted'))
), wired as (
  update in_flight i
  set wire_at = clock_timestamp(), provider = n.provider, sent_from = n.sent_from
  from unnest($6::bigint[], $7::smallint[], $8::bytea[], $9::bytea[], $10::text[], $11::text[])
    as n (message_id, attempt, confirm, unsubscribe, provider, sent_from)
  join message m on m.message_id = n.message_id and m.state = 'queued' and m.attempt <= n.attempt
  join step s on s.step_id = m.step_id and s.state = 'running'
  join sender f on f.sender_id = m.sender_id and f.paused_reason is null
  cross join lateral stops_of(s.goal_id, m.person_id, m.channel, m.address, s.purpose) as stop
  where i.message_id = n.message_id and i.attempt = n.attempt
    and not stop.answered and stop.suppressed is null
    and coalesce(message_deadline(s.send_before, s.dated, m.date_at) > $12::timestamptz, true)
    and (select c.gone_at is null from dispatcher c where c.dispatcher_id = i.dispatcher_id)
  returning i.message_id, n.confirm, n.unsubscribe
), linked as (
  insert into link (digest, message_id, action)
  select confirm, message_id, 'confirm' from wired where confirm is not null
  union all
  select unsubscribe, message_id, 'unsubscribe' from wired where unsubscribe is not null
  on conflict do nothing
)
select message_id, true as wired from wired
union all
select message_id, false from landed;

-- name: record_outcomes
-- Records the outcomes of the last messages, and records the next ones as on the wire after a last eligibility check,
-- in one statement. Each half is guarded by the attempt number, so a worker that was declared gone changes nothing.
--
-- The outcomes. What was in flight goes, and the message is written, once. A receipt may have come first: then only
-- missing values are added. An outcome that comes after its worker was declared gone still counts while no other worker
-- has claimed the message: it settles an ambiguous one, and takes one out of its queue.
with outcome as materialized (
  select *
  from unnest(
    $1::bigint[], $2::smallint[], $3::message_state[], $4::text[], $5::text[], $6::text[], $7::float8[], $8::text[],
    $9::smallint[]
  ) as o (message_id, attempt, state, reason, code, reply, delay, provider_id, segments)
), landed as materialized (
  delete from in_flight f using outcome o where f.message_id = o.message_id and f.attempt = o.attempt
  returning f.*
), late as materialized (
  select o.* from outcome o where not exists (select from landed l where l.message_id = o.message_id)
), left_queue as (
  delete from queue q
  using late o
  where q.message_id = o.message_id and q.attempt = o.attempt and o.state <> 'ambiguous'
  returning q.*
), outcome_of as materialized (
  select
    o.message_id, o.attempt, o.state, o.reason, o.code, o.reply, o.provider_id, o.segments,
    coalesce(l.queue_id, q.queue_id) as queue_id, coalesce(l.date_at, q.date_at) as date_at,
    case o.state when 'queued' then $15::timestamptz + o.delay * interval '1 second' end as not_before,
    l.dispatcher_id, l.taken_at, l.wire_at, l.provider, l.sent_from, q.message_id is not null as was_queued,
    l.message_id is not null and o.state = 'queued' and o.code = 'handed_back' as handed_back
  from outcome o
  left join landed l on l.message_id = o.message_id
  left join left_queue q on q.message_id = o.message_id
),
-- The next ones, and the last eligibility check: still this worker's, the step still running, the goal not met and
-- nothing suppressed since. An attempt belongs to one worker, so recording it again, after this server's answer was
-- lost, is harmless. Materialized: otherwise each reference would run the subqueries again.
seen as materialized (
  select
    m.message_id, n.attempt, n.confirm, n.unsubscribe, n.provider, n.sent_from,
    m.state <> 'queued' or m.attempt > n.attempt as over,
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
  join in_flight i on i.message_id = n.message_id
  join message m on m.message_id = n.message_id
  left join step s on s.step_id = m.step_id
  -- messages of steps have no id here, so nothing is looked up for them
  left join transactional t on t.message_id = case when m.step_id is null then m.message_id end
  join sender f on f.sender_id = m.sender_id
  cross join lateral stops_of(s.goal_id, m.person_id, m.channel, m.address, coalesce(s.purpose, t.purpose)) as stop
  -- a look-up for each, so that no plan begins with all that a worker has in flight
  where (select c.gone_at is null from dispatcher c where c.dispatcher_id = i.dispatcher_id)
), next as materialized (
  select
    message_id, attempt, confirm, unsubscribe, provider, sent_from, suppressed,
    case
      when over then 'over'
      when answered then 'answered'
      when suppressed is not null then 'suppressed'
      when step_state = 'cancelled' then 'campaign_cancelled'
      when send_before <= $15::timestamptz then 'past_deadline'
      when step_state <> 'running' or paused_reason is not null then 'handed_back'
    end as stopped
  from seen
), wired as (
  update in_flight i
  set wire_at = clock_timestamp(), provider = n.provider, sent_from = n.sent_from
  from next n
  where n.stopped is null and i.message_id = n.message_id and i.attempt = n.attempt -- or another claim has it now
  returning i.message_id, n.confirm, n.unsubscribe
), stopped as materialized (
  delete from in_flight i
  using next n
  where n.stopped is not null and i.message_id = n.message_id and i.attempt = n.attempt
  returning
    i.*, n.stopped, n.suppressed,
    (
      case n.stopped
        when 'answered' then 'cancelled'
        when 'suppressed' then 'suppressed'
        when 'campaign_cancelled' then 'cancelled'
        when 'past_deadline' then 'expired'
        when 'handed_back' then 'queued'
      end
    )::message_state as state
),
-- Both: each message is written once, and what waits again goes into its queue. One that is handed back has no reason
-- and is not written.
ended as (
  select
    message_id, attempt, state, reason, not_before, dispatcher_id, wire_at, provider, sent_from, provider_id, segments,
    taken_at is not null as landed, was_queued
  from outcome_of
  where handed_back is not true
  union all
  select
    message_id, attempt, state, case stopped when 'suppressed' then suppressed else stopped end, null, dispatcher_id, null, null,
    null, null, null, true, false
  from stopped
  where stopped not in ('over', 'handed_back')
), recorded as (
  update message m
  set state = case when m.state in ('queued', 'ambiguous') then e.state else m.state end,
      reason = case when m.state in ('queued', 'ambiguous') then e.reason else m.reason end,
      not_before = coalesce(e.not_before, m.not_before),
      attempt = e.attempt,
      dispatcher_id = coalesce(e.dispatcher_id, m.dispatcher_id),
      wire_at = case e.state when 'queued' then null else coalesce(e.wire_at, m.wire_at) end,
      provider = coalesce(e.provider, m.provider),
      sent_from = coalesce(e.sent_from, m.sent_from),
      provider_id = coalesce(m.provider_id, e.provider_id),
      segments = coalesce(e.segments, m.segments),
      sent_at = case e.state when 'accepted' then coalesce(m.sent_at, now()) else m.sent_at end,
      changed_at = clock_timestamp()
  from ended e
  where m.message_id = e.message_id
    and (
      e.landed and m.attempt <= e.attempt
      or e.was_queued and m.state = 'queued'
      or m.attempt = e.attempt and (
        m.state = 'ambiguous' and e.state <> 'ambiguous'
        or m.state not in ('queued', 'ambiguous') and m.provider_id is null and e.provider_id is not null
      )
    )
  returning m.message_id, m.state, m.provider
), waiting as (
  insert into queue (message_id, queue_id, not_before, date_at, attempt)
  -- not one that a receipt has ended, or tried again, meanwhile: who handed back what is over would leave it there for good
  select o.message_id, o.queue_id, o.not_before, o.date_at, greatest(o.attempt, m.attempt)
  from outcome_of o
  join message m on m.message_id = o.message_id
  left join recorded r on r.message_id = o.message_id
  where o.queue_id is not null and o.state = 'queued' and coalesce(r.state, m.state) = 'queued'
  union all
  select message_id, queue_id, not_before, date_at, attempt from stopped where stopped = 'handed_back'
  on conflict (message_id) do nothing
), linked as (
  insert into link (digest, message_id, action)
  select confirm, message_id, 'confirm' from wired where confirm is not null
  union all
  select unsubscribe, message_id, 'unsubscribe' from wired where unsubscribe is not null
  on conflict do nothing
), new_events as (
  -- that a worker took a message is an event only where its first try was not simply accepted: its columns say the rest
  insert into message_event (message_id, at, state, source, code, detail)
  select message_id, coalesce(at, now()), state, source, code, detail
  from (
    select
      o.message_id, 1 as n, o.taken_at as at, 'sending'::message_state as state, 'worker' as source, null as code,
      jsonb_build_object('attempt', o.attempt, 'by', d.name) as detail
    from outcome_of o
    left join dispatcher d on d.dispatcher_id = o.dispatcher_id
    where o.taken_at is not null and (o.state <> 'accepted' or o.attempt > 1)
    union all
    select
      o.message_id, 2, null, case when r.state = o.state then o.state end, coalesce(r.provider, $14::text),
      coalesce(o.code, o.reason),
      case when o.reply is not null then jsonb_build_object('reply', o.reply, 'reason', o.reason) end
    from outcome_of o
    join recorded r on r.message_id = o.message_id
    union all
    select o.message_id, 2, null, 'queued', coalesce(o.provider, $14::text), o.code, null
    from outcome_of o
    where o.handed_back
    union all
    select
      s.message_id, 1, s.taken_at, 'sending', 'worker', null, jsonb_build_object('attempt', s.attempt, 'by', d.name)
    from stopped s
    left join dispatcher d on d.dispatcher_id = s.dispatcher_id
    where s.stopped <> 'over'
    union all
    select s.message_id, 2, null, s.state, 'worker', coalesce(s.suppressed, s.stopped), null
    from stopped s
    left join recorded r using (message_id)
    where s.stopped = 'handed_back' or s.stopped <> 'over' and r.state = s.state
  ) as e
  order by message_id, n
)
select message_id, 'sending'::message_state as state from wired
union all
select message_id, state from stopped where stopped <> 'over';
