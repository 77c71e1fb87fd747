-- name: find_sender
-- The sender of texts.
select sender_id from sender where address = $1;

-- name: sent
-- Messages that the provider has taken.
select count(*) from message where state = 'accepted';

-- name: left
-- Messages that are queued.
select count(*) from queue;

-- name: on_the_wire
-- Whether something was taken by a worker and has no outcome yet.
select exists (select from in_flight);

-- name: waits
-- Seconds from the request to the provider's acceptance; one that has not left counts as an hour.
select coalesce(extract(epoch from m.sent_at - m.created_at), 3600)::float8 as waited
from message m
where m.message_id = any ($1::bigint[]);
