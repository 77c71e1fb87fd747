-- name: add_step
-- Adds a step with all that sending needs, so that sending never reads the campaign.
insert into step (
  campaign_id, position, template, content, constants, purpose, channels, sms_sender_id, email_sender_id, goal_id,
  priority, due_at, after, send_before, quiet_from, quiet_until, quiet_channels, secret, created_at,
  send_after, window_zone, window_days, window_from, window_until, frequency_caps, dated
)
values (
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::text::interval, $14, $15, $16, $17, $18, $19, $20, $21, $22,
  $23, $24, $25, $26
)
returning step_id;

-- name: delete_steps
-- Removes planned steps; a trigger keeps those that have messages.
delete from step where campaign_id = $1 and state = 'planned';

-- name: pause_steps
-- Pauses a campaign's steps. One still being launched is paused too: its launch stops at its cursor. A finished step
-- would reopen as paused if a message came back to its queue.
with later as (
  update step set reopens_as = 'paused' where campaign_id = $1 and state not in ('running', 'launching')
)
update step set state = 'paused', reopens_as = 'paused'
where campaign_id = $1 and state in ('running', 'launching')
returning step_id;

-- name: resume_steps
-- Resumes a campaign's steps. One that was never fully launched goes on launching from its cursor.
with later as (
  update step set reopens_as = 'running' where campaign_id = $1 and state <> 'paused'
)
update step set state = case when launched_at is null then 'launching' else 'running' end, reopens_as = 'running'
where campaign_id = $1 and state = 'paused'
returning step_id;

-- name: extend_deadlines
-- Moves deadlines. Queued messages may leave until the new deadline, too: the eligibility check reads it here.
update step set send_before = $3
where campaign_id = any ($1::bigint[]) and send_before = $2 and state not in ('finished', 'cancelled')
returning step_id;

-- name: renew_constants
-- Sets the constants, only before the step starts: later, messages have the old words, and replies are read by them.
update step set constants = $2 where step_id = $1 and state = 'planned' returning step_id;

-- name: cancel_steps
-- Cancels steps to come and withdraws queued messages, in one statement: some while the user waits, the rest by
-- reconcile. Messages claimed but not on the wire are stopped by the last eligibility check; those that come back to
-- the queue later are withdrawn by reconcile, too. Nothing ever comes back to steps that had finished. How many are
-- withdrawn is read from the sums: counting a million rows would take longer than all else.
with over as (
  update step set reopens_as = null where campaign_id = $1 and state in ('finished', 'cancelled')
), ended as (
  update step set state = 'cancelled', finished_at = now(), reopens_as = null
  where campaign_id = $1 and state not in ('finished', 'cancelled')
  returning step_id, channels
), queues as (
  select queue_of(step_id, c.channel, null) as queue_id from ended cross join unnest(channels) as c (channel)
), waiting as materialized (
  select q.message_id from queues join queue q using (queue_id) limit 5000 for update of q skip locked
), dequeued as (
  delete from queue q using waiting w where q.message_id = w.message_id returning q.message_id, q.attempt
), withdrawn as (
  update message m
  set state = 'cancelled', reason = 'campaign_cancelled', attempt = g.attempt, changed_at = now()
  from dequeued g
  where m.message_id = g.message_id and m.state = 'queued'
  returning m.message_id
), new_events as (
  insert into message_event (message_id, state, source, code)
  select message_id, 'cancelled', 'staff', 'campaign_cancelled' from withdrawn
)
select
  (select coalesce(sum(c.n), 0) from ended join message_count c using (step_id) where c.state = 'queued')
  - (select count(*) from queues join in_flight f using (queue_id));

-- name: finish_drained
-- Finishes steps of which no message is queued, claimed, or of unknown outcome, by the sums. A step by dates of people
-- also waits for the end of its time, because people with new dates may come until then. A wrong sum must not finish a
-- step that still has waiting messages, so where the sums say that none waits, the tables are read, too. None is finished
-- while an upgrade moves the outbox.
update step s set state = 'finished', finished_at = now()
where s.state = 'running' and (s.dated is null or s.send_before <= coalesce($1, now()))
  and coalesce(
    (
      select sum(c.n) from message_count c
      where c.step_id = s.step_id and c.state in ('queued', 'sending', 'ambiguous')
    ),
    0
  ) <= 0
  and not exists (
    select from unnest(s.channels) as c (channel)
    join queue q on q.queue_id = queue_of(s.step_id, c.channel, null)
    join message m on m.message_id = q.message_id and m.state = 'queued'
  )
  and not exists (
    select from in_flight f
    join message m on m.message_id = f.message_id and m.state = 'queued'
    where step_of_queue(f.queue_id) = s.step_id
  )
  and not exists (
    -- the order asks for the index by steps: messages of unknown outcome may wait for staff among 100,000 for days
    select from (
      select x.message_id
      from message_exception x
      where x.step_id = s.step_id and x.state = 'ambiguous'
      order by x.reason, x.message_id
      limit 1
    ) as first_one
  )
  and not exists (select from outbox_move)
returning s.step_id;
