-- name: list_due
-- Active subscriptions, perhaps with events waiting, that no worker holds. A subscription whose receiver is slow or
-- down is held for the length of a request, or waits for its next try: it is not in this list, and does not keep the
-- others waiting.
select s.subscription_id
from webhook_subscription s
where s.state = 'active' and s.next_try_at <= $1 and (s.lease_until is null or s.lease_until < clock_timestamp())
  and s.cursor < (select max(seq) from webhook_event)
order by s.next_try_at;

-- name: take_lease
-- Takes the lease, by the server's clock: one of any number of workers gets it, and a worker that was killed loses it
-- when it expires.
update webhook_subscription
set lease = $2, lease_until = clock_timestamp() + $3::float8 * interval '1 second'
where subscription_id = $1 and state = 'active'
  and (lease = $2 or lease_until is null or lease_until < clock_timestamp())
returning subscription_id, name, url, events, include, cursor, attempts, failing_since, secret, old_secret, old_until;

-- name: list_events
-- The next events of a subscription.
select seq, type, at, data, ref from webhook_event
where seq > $1 and seq <= $2 and type = any ($3::text[])
order by seq
limit $4;

-- name: record_delivered
-- Writes the log, the cursor and the lease in one statement. The cursor does not move if another worker has the lease
-- by now (after a pause, a replay, or its end): then the event is sent once more, under the same id.
with tried as (
  insert into webhook_delivery (subscription_id, seq, webhook_id, type, reason, attempt, at, took, status, answer)
  values ($1, $3, $4, $5, 'stream', $6, $7, $8, $9, $10)
)
update webhook_subscription
set cursor = $3, attempts = 0, failing_since = null, delivered_at = $7,
    lease_until = clock_timestamp() + $11::float8 * interval '1 second'
where subscription_id = $1 and lease = $2
returning subscription_id;

-- name: record_failed
-- Records a failed try. The cursor stays at this event, until its next try, or until staff have looked at it.
with tried as (
  insert into webhook_delivery (
    subscription_id, seq, webhook_id, type, reason, attempt, at, took, status, problem, answer
  )
  values ($1, $3, $4, $5, 'stream', $6, $7, $8, $9, $10, $11)
)
update webhook_subscription
set attempts = $6, failing_since = coalesce(failing_since, $7), next_try_at = $12, state = $13, paused_reason = $14,
    lease = null, lease_until = null
where subscription_id = $1 and lease = $2
returning subscription_id;

-- name: advance_cursor
-- Moves the cursor past events that the subscription does not want.
update webhook_subscription set cursor = $3 where subscription_id = $1 and lease = $2 and cursor < $3;

-- name: release_lease
-- Gives the lease back.
update webhook_subscription set lease = null, lease_until = null where subscription_id = $1 and lease = $2;

-- name: pause_subscription
-- Pauses a subscription that has failed for too long.
update webhook_subscription set state = 'paused', paused_reason = $3, lease = null, lease_until = null
where subscription_id = $1 and lease = $2
returning name;
