-- name: steps
-- Step 0 is due; steps 1 to $1 are those that finished. None has quiet hours or a deadline, all have a goal nobody has met.
with goal as (
  insert into goal (name) values ('bench') returning goal_id
), sender as (
  insert into sender (channel, address) values ('email', 'ballot@union.example.org') returning sender_id
)
insert into step (
  step_id, campaign_id, position, template, content, purpose, channels, email_sender_id, goal_id, state, secret
)
overriding system value
select
  n, n, 1, 'bench', '{}', 'service', array['email'], sender_id, goal_id,
  case n when 0 then 'running' else 'finished' end, 'none'
from generate_series(0, $1::int) as n, sender, goal;

-- name: sender
select sender_id from sender;

-- name: finished
-- Messages $1 to $2, delivered long ago, 120,000 a step.
insert into message (
  message_id, step_id, campaign_id, person_id, channel, address, sender_id, state, not_before, attempt, wire_at,
  provider_id, sent_at
)
overriding system value
select
  n, 1 + n / 120000, 1 + n / 120000, n % 120000, 'email', 'm' || n || '@mail.example.org', $3, 'delivered',
  now() - interval '30 days', 1, now() - interval '30 days', 'done-' || n,
  now() - interval '30 days' + n % 86400 * interval '1 second'
from generate_series($1::bigint, $2::bigint) as n;

-- name: finished_events
-- An event for each.
insert into message_event (message_id, state, source)
select n, 'delivered', 'twilio' from generate_series($1::bigint, $2::bigint) as n;

-- name: finished_links
-- And a link.
insert into link (digest, message_id, action)
select sha256(int8send(n)), n, 'confirm' from generate_series($1::bigint, $2::bigint) as n;

-- name: go_on_numbering
-- The next message comes after them.
select setval(pg_get_serial_sequence('message', 'message_id'), $1);

-- name: queued
-- $1 messages that are due.
insert into message (step_id, campaign_id, person_id, channel, address, sender_id, variables, not_before)
select 0, 0, n, 'email', 'q' || n || '@mail.example.org', $2, '{"first_name": "Amina"}', now() - interval '1 hour'
from generate_series(1, $1::int) as n;
