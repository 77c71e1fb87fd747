-- name: is_steady
-- Whether this worker's own heartbeat has been unbroken for a whole lease.
select exists (
  select from dispatcher
  where dispatcher_id = $1 and gone_at is null and until > clock_timestamp()
    and steady_since <= clock_timestamp() - $2::float8 * interval '1 second'
);

-- name: free_lost
-- Declares workers without a heartbeat gone, for good, if this worker's own has been unbroken for a whole lease. All
-- rows are compared at one moment and in one snapshot: if the server stalls in the middle of this, this worker's
-- heartbeat is as old as all others. Messages that were never on the wire are queued again; the others become
-- ambiguous. A limited number at a time, including those of workers declared gone before: a run of this may be killed,
-- too.
with moment as materialized (
  select clock_timestamp() as now
), judge as materialized (
  select moment.now
  from moment
  join dispatcher c on c.dispatcher_id = $2 and c.gone_at is null and c.until > moment.now
    and c.steady_since <= moment.now - $3::float8 * interval '1 second'
), lost as (
  update dispatcher l
  set gone_at = clock_timestamp(), lost = true
  from judge
  where l.gone_at is null and l.until < judge.now
  returning l.dispatcher_id
), dead as (
  select dispatcher_id from lost
  union
  select c.dispatcher_id from dispatcher c
  where c.gone_at is not null and exists (select from in_flight f where f.dispatcher_id = c.dispatcher_id)
), theirs as materialized (
  select f.message_id
  from dead
  join in_flight f on f.dispatcher_id = dead.dispatcher_id
  limit $1
  for update of f skip locked
), freed as (
  delete from in_flight f using theirs where f.message_id = theirs.message_id returning f.*
), released as (
  select freed.*, m.state as message_state, d.name
  from freed
  join message m on m.message_id = freed.message_id
  left join dispatcher d on d.dispatcher_id = freed.dispatcher_id
), back as (
  insert into queue (message_id, queue_id, not_before, date_at, attempt)
  select message_id, queue_id, not_before, date_at, attempt from released where wire_at is null and message_state = 'queued'
  on conflict (message_id) do nothing -- a receipt has ended that try, and put the next one there
), unknown as (
  -- a receipt may have come first: then only what the worker knew is added
  update message m
  set state = case m.state when 'queued' then 'ambiguous' else m.state end,
      reason = case m.state when 'queued' then 'worker_lost' else m.reason end,
      attempt = t.attempt, dispatcher_id = t.dispatcher_id, wire_at = t.wire_at, provider = t.provider, sent_from = t.sent_from,
      changed_at = clock_timestamp()
  from released t
  where m.message_id = t.message_id and t.wire_at is not null and m.attempt <= t.attempt
  returning m.message_id, m.state
), changed as (
  select t.*
  from released t
  left join unknown u using (message_id)
  where t.message_state = 'queued' and (t.wire_at is null or u.state = 'ambiguous')
), new_events as (
  insert into message_event (message_id, at, state, source, code, detail)
  select t.message_id, e.at, e.state::message_state, e.source, e.code, e.detail
  from changed t
  cross join lateral (
    values
      (1, t.taken_at, 'sending', 'worker', null, jsonb_build_object('attempt', t.attempt, 'by', t.name)),
      (
        2, now(), case when t.wire_at is null then 'queued' else 'ambiguous' end, 'reconcile',
        case when t.wire_at is null then 'handed_back' else 'worker_lost' end, null
      )
  ) as e (n, at, state, source, code, detail)
  order by t.message_id, e.n
)
select
  count(*) filter (where wire_at is null) as returned, count(*) filter (where wire_at is not null) as ambiguous
from changed;

-- name: list_lost_workers
-- Workers that were declared gone within the hour and have not come back, and the names in an open alert.
select
  array(
    select l.name
    from dispatcher l
    where l.lost and l.gone_at > now() - interval '1 hour'
      and not exists (select from dispatcher c where c.name = l.name and c.gone_at is null)
    group by l.name
    order by l.name
  ) as names,
  (select detail -> 'workers' from alert where key = 'workers' and resolved_at is null) as alerted;

-- name: delete_dispatchers
-- Deletes workers that were gone before any message they sent can still be in the outbox: its history names them.
delete from dispatcher c
where c.gone_at < now() - interval '400 days'
  and not exists (select from in_flight f where f.dispatcher_id = c.dispatcher_id);

-- name: settle_emails
-- No relay can be asked whether an email left. A second copy carries the same Message-ID, by which receivers recognise
-- it; by policy, or after several such tries, it waits for manual review instead.
with doubtful as materialized (
  select m.message_id, m.attempt
  from message_exception x
  join message m on m.message_id = x.message_id and m.state = 'ambiguous'
  where x.state = 'ambiguous' and x.channel = 'email' and x.reason is distinct from 'held'
    and x.changed_at < now() - $2::float8 * interval '1 second'
  order by x.changed_at
  limit $1
  for update of m skip locked
), settled as (
  update message m
  set state = (case when $3 and d.attempt < $4 then 'queued' else 'ambiguous' end)::message_state,
      reason = case when $3 and d.attempt < $4 then null else 'held' end,
      not_before = case when $3 and d.attempt < $4 then least(m.not_before, $5) else m.not_before end,
      wire_at = case when $3 and d.attempt < $4 then null else m.wire_at end,
      changed_at = clock_timestamp()
  from doubtful d
  where m.message_id = d.message_id
  returning m.message_id, m.state
), new_events as (
  insert into message_event (message_id, state, source, code)
  select message_id, nullif(state, 'ambiguous'), 'reconcile', case state when 'queued' then 'no_answer' else 'held' end
  from settled
)
select count(*) filter (where state = 'queued') as again, count(*) filter (where state = 'ambiguous') as held_for_staff
from settled;

-- name: list_unknown_texts
-- Texts to ask their providers about; providers take turns, so that an unavailable one does not delay the others.
select
  m.message_id, m.attempt, m.address, m.variables, m.sender_id, m.step_id, m.wire_at, m.changed_at, m.provider, m.sent_from
from message_exception x
join message m on m.message_id = x.message_id
where x.state = 'ambiguous' and x.channel = 'sms' and x.reason is distinct from 'held'
  and x.changed_at < now() - $2::float8 * interval '1 second'
order by row_number() over (partition by m.provider order by m.changed_at), m.changed_at
limit $1;

-- name: find_known_elsewhere
-- Provider ids that belong to other messages, or to earlier tries: the same text may have gone to the same number
-- before.
select provider_id from provider_message where provider_id = any ($1::text[])
union all
select provider_id from message_try where provider_id = any ($1::text[]);

-- name: record_trace
-- Records messages as accepted that are in the provider's own list.
with traced as (
  update message m
  set state = 'accepted', reason = null, provider_id = $3, segments = coalesce($4, m.segments),
      sent_at = coalesce(m.sent_at, m.wire_at, now()), changed_at = clock_timestamp()
  where m.message_id = $1 and m.attempt = $2 and m.state = 'ambiguous'
  returning m.message_id
), new_events as (
  insert into message_event (message_id, state, source, code)
  select message_id, 'accepted', 'reconcile', 'found_at_provider' from traced
)
select count(*) from traced;

-- name: queue_again
-- Queues messages again of which the provider has no record: they never left.
with again as (
  update message m
  set state = 'queued', reason = null, not_before = least(m.not_before, $3), wire_at = null, changed_at = clock_timestamp()
  where m.message_id = $1 and m.attempt = $2 and m.state = 'ambiguous'
  returning m.message_id
), new_events as (
  insert into message_event (message_id, state, source, code)
  select message_id, 'queued', 'reconcile', 'no_trace' from again
)
select count(*) from again;

-- name: hold_for_staff
-- Handles messages of which the provider cannot say whether it has them. A receipt may still come, and settles a
-- message at any time; without a receipt the message is held for manual review. Until then it goes to the end of the
-- list of messages to ask about.
with waiting as (
  update message m
  set reason = case when coalesce(m.wire_at, m.changed_at) < now() - $3::float8 * interval '1 second' then 'held'
        else m.reason end,
      changed_at = clock_timestamp()
  where m.message_id = $1 and m.attempt = $2 and m.state = 'ambiguous'
  returning m.message_id, m.reason
), new_events as (
  insert into message_event (message_id, source, code)
  select message_id, 'reconcile', 'held' from waiting where reason = 'held'
)
select reason = 'held' from waiting;

-- name: withdraw_overdue
-- Withdraws messages that wait beyond the deadline of their step or their own date, because their sender or step is
-- paused or the next try comes too late; transactional ones, too. Also withdraws messages that came back to the queue
-- of a cancelled campaign, where the sums say so: under an old snapshot, looking through its queue would pass each entry
-- that was ever withdrawn. A limited number at a time: a million would take too long.
with over as (
  select s.step_id, s.state, s.channels
  from step s
  where s.state = 'cancelled'
      and (select sum(c.n) <> 0 from message_count c where c.step_id = s.step_id and c.state = 'queued')
    or s.state in ('running', 'paused') and s.send_before <= $1
), of_steps as materialized (
  select q.message_id, over.state
  from over
  cross join unnest(over.channels) as c (channel)
  join queue q on q.queue_id = queue_of(over.step_id, c.channel, null)
  limit $2
  for update of q skip locked
), late as materialized (
  select q.message_id, s.state
  from step s
  cross join unnest(s.channels) as c (channel)
  join queue q on q.queue_id = queue_of(s.step_id, c.channel, null) and q.date_at <= $1
  where s.dated = 'before' and s.state in ('running', 'paused')
  limit $2
  for update of q skip locked
), single as materialized (
  select q.message_id
  from sender f
  join queue q on q.queue_id = queue_of(null, null, f.sender_id)
  join transactional t on t.message_id = q.message_id
  where t.send_before <= $1
  limit $2
  for update of q skip locked
), waiting as (
  select message_id, state from of_steps
  union
  select message_id, state from late
  union all
  select message_id, 'single' from single
), dequeued as (
  delete from queue q using waiting w where q.message_id = w.message_id returning q.message_id, q.attempt, w.state
), withdrawn as (
  update message m
  set state = (case g.state when 'cancelled' then 'cancelled' else 'expired' end)::message_state,
      reason = case g.state when 'cancelled' then 'campaign_cancelled' else 'past_deadline' end,
      attempt = g.attempt,
      changed_at = clock_timestamp()
  from dequeued g
  where m.message_id = g.message_id and m.state = 'queued'
  returning m.message_id, m.state, m.reason
), new_events as (
  insert into message_event (message_id, state, source, code)
  select message_id, state, 'reconcile', reason from withdrawn
)
select count(*) from withdrawn;
