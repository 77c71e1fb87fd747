-- name: receipted
-- The messages some receipts speak of, locked in one order so that two batches never wait for each other in a circle.
select message_id, provider_id, state, step_id, channel, address
from message
where message_id = any ($1::bigint[]) or provider_id = any ($2::text[])
order by message_id
for update;

-- name: move
-- Where each message has come to, after all its receipts.
update message m
set state = n.state, reason = n.reason, provider_id = coalesce(m.provider_id, n.provider_id),
    sent_at = coalesce(m.sent_at, now()), changed_at = now()
from unnest($1::bigint[], $2::message_state[], $3::text[], $4::text[]) as n (message_id, state, reason, provider_id)
where m.message_id = n.message_id;

-- name: tell
-- Every receipt is an event; one that moved nothing has no state.
insert into message_event (message_id, at, state, source, code, detail)
select * from unnest($1::bigint[], $2::timestamptz[], $3::message_state[], $4::text[], $5::text[], $6::jsonb[]);
