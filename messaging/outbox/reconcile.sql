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
  select dispatcher_id from lost union select dispatcher_id from dispatcher where gone_at is not null
), theirs as materialized (
  select m.message_id, m.wire_at
  from dead
  join message m on m.dispatcher_id = dead.dispatcher_id and m.state = 'sending'
  limit $1
  for update of m skip locked
), freed as (
  update message m
  set state = (case when theirs.wire_at is null then 'queued' else 'ambiguous' end)::message_state,
      reason = case when theirs.wire_at is null then null else 'worker_lost' end,
      changed_at = clock_timestamp()
  from theirs
  where m.message_id = theirs.message_id and m.state::text = 'sending'
  returning m.message_id, m.state
), new_events as (
  insert into message_event (message_id, state, source, code)
  select message_id, state, 'reconcile', case state when 'queued' then 'handed_back' else 'worker_lost' end from freed
)
select count(*) filter (where state = 'queued') as returned, count(*) filter (where state = 'ambiguous') as ambiguous
from freed;

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
-- Deletes workers that have long been gone and have no messages left; a lost one is shown in an alert for an hour.
delete from dispatcher c
where c.gone_at < now() - case when c.lost then interval '2 hours' else interval '10 minutes' end
  and not exists (select from message m where m.dispatcher_id = c.dispatcher_id and m.state = 'sending');

-- name: settle_emails
-- No relay can be asked whether an email left. A second copy carries the same Message-ID, by which receivers recognise
-- it; by policy, or after several such tries, it waits for manual review instead.
with doubtful as materialized (
  select m.message_id, m.attempt
  from message m
  where m.state = 'ambiguous' and m.channel = 'email' and m.reason is distinct from 'held'
    and m.changed_at < now() - $2::float8 * interval '1 second'
  order by m.changed_at
  limit $1
  for update skip locked
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
from message m
where m.state = 'ambiguous' and m.channel = 'sms' and m.reason is distinct from 'held'
  and m.changed_at < now() - $2::float8 * interval '1 second'
order by row_number() over (partition by m.provider order by m.changed_at), m.changed_at
limit $1;

-- name: find_known_elsewhere
-- Provider ids that belong to other messages, or to earlier tries: the same text may have gone to the same number
-- before.
select provider_id from message where provider_id = any ($1::text[])
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
-- of a cancelled campaign. A limited number at a time: a million would take too long.
with over as (
  select s.step_id, s.state
  from step s
  where s.state = 'cancelled'
    or s.state in ('running', 'paused') and s.send_before <= $1
), of_steps as materialized (
  select m.message_id, over.state
  from over
  join message m on m.step_id = over.step_id and m.state = 'queued'
  limit $2
  for update of m skip locked
), late as materialized (
  select m.message_id, s.state
  from step s
  join message m on m.step_id = s.step_id and m.state = 'queued' and m.date_at <= $1
  where s.dated = 'before' and s.state in ('running', 'paused')
  limit $2
  for update of m skip locked
), single as materialized (
  select m.message_id
  from message m
  join transactional t using (message_id)
  where m.step_id is null and m.state = 'queued' and t.send_before <= $1
  limit $2
  for update of m skip locked
), waiting as (
  select message_id, state from of_steps
  union
  select message_id, state from late
  union all
  select message_id, 'single' from single
), withdrawn as (
  update message m
  set state = (case w.state when 'cancelled' then 'cancelled' else 'expired' end)::message_state,
      reason = case w.state when 'cancelled' then 'campaign_cancelled' else 'past_deadline' end,
      changed_at = clock_timestamp()
  from waiting w
  where m.message_id = w.message_id
  returning m.message_id, m.state, m.reason
), new_events as (
  insert into message_event (message_id, state, source, code)
  select message_id, state, 'reconcile', reason from withdrawn
)
select count(*) from withdrawn;
