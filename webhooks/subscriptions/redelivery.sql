-- name: find_subscription
-- A subscription by its name, in any state: a person has requested the delivery.
select subscription_id, name, url, events, include, cursor, attempts, failing_since, secret, old_secret, old_until
from webhook_subscription
where name = $1;

-- name: find_event
-- One event, by its number.
select seq, type, at, data, ref from webhook_event where seq = $1;

-- name: insert_delivery
-- Records a delivery that staff requested.
insert into webhook_delivery (
  subscription_id, seq, webhook_id, type, reason, attempt, at, took, status, problem, answer
)
values ($1, $2, $3, $4, $5, 1, $6, $7, $8, $9, $10);
