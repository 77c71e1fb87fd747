-- name: insert_subscription
-- Adds a subscription unless its name is taken, in one statement.
insert into webhook_subscription (name, url, events, include, secret, cursor, created_by, created_at, next_try_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $8)
on conflict (name) do nothing
returning subscription_id;

-- name: list_subscriptions
-- Subscriptions, each with how far it is behind, counted up to a thousand: beyond that the number does not matter.
select
  s.subscription_id, s.name, s.url, s.events, s.include, s.state, s.paused_reason, s.cursor, s.attempts, s.failing_since,
  s.next_try_at, s.old_until, s.created_at, s.created_by, s.delivered_at,
  (
    select count(*) from (
      select from webhook_event e where e.seq > s.cursor and e.type = any (s.types) limit 1000
    ) as waiting
  ) as waiting
from (
  select w.*, array(
    select t.type from unnest($2::text[]) as t (type), unnest(w.events) as e (pattern)
    where e.pattern = '*' or t.type = e.pattern or e.pattern like '%.*' and t.type like replace(rtrim(e.pattern, '*'), '_', '\_') || '%'
  ) as types
  from webhook_subscription w
  where $1::text is null or w.name = $1
) as s
order by s.name;

-- name: list_names
-- Names of subscriptions.
select name from webhook_subscription order by name;

-- name: rotate_secret
-- Replaces the secret. The former secret signs as well for a while; an earlier one that still signed is dropped at
-- once.
update webhook_subscription set old_secret = case when $3::timestamptz > $4 then secret end,
  old_until = case when $3 > $4 then $3 end, secret = $2
where name = $1
returning subscription_id;

-- name: pause_subscription
-- Pauses a subscription.
update webhook_subscription set state = 'paused', paused_reason = $2, lease = null, lease_until = null
where name = $1 and state = 'active'
returning subscription_id;

-- name: resume_subscription
-- Resumes a subscription at once, from the event it stopped at.
update webhook_subscription
set state = 'active', paused_reason = null, attempts = 0, failing_since = null, next_try_at = $2, lease = null, lease_until = null
where name = $1 and state = 'paused'
returning subscription_id;

-- name: move_cursor
-- Moves the cursor back, and drops the lease, so that a delivery still running cannot move the cursor on.
update webhook_subscription
set cursor = $2, attempts = 0, failing_since = null, next_try_at = $3, lease = null, lease_until = null
where name = $1
returning subscription_id;

-- name: delete_subscription
-- Deletes a subscription.
delete from webhook_subscription where name = $1 returning subscription_id;

-- name: list_deliveries
-- The latest attempts first.
select d.delivery_id, d.at, d.seq, d.webhook_id, d.type, d.reason, d.attempt, d.took, d.status, d.problem, d.answer
from webhook_delivery d
join webhook_subscription s using (subscription_id)
where s.name = $1 and (not $2 or d.problem is not null) and ($3::bigint is null or d.seq = $3)
order by d.delivery_id desc
limit $4;

-- name: list_secrets
-- Secrets of every subscription, with the former one while it still signs.
select subscription_id, secret, old_secret from webhook_subscription order by subscription_id;

-- name: renew_secrets
-- Replaces secrets by the same ones encrypted anew, unless they were replaced meanwhile.
update webhook_subscription set secret = coalesce($4, secret), old_secret = coalesce($5, old_secret)
where subscription_id = $1 and secret = $2 and old_secret is not distinct from $3;
