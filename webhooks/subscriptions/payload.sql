-- name: list_message_addresses
-- The addresses messages went to, from the outbox or the archive.
select message_id as ref, address from message_any where message_id = any ($1::bigint[]);

-- name: list_suppressed_addresses
-- The addresses of suppressions.
select event_id as ref, address from suppression_event where event_id = any ($1::bigint[]) and channel <> 'person';

-- name: list_replies
-- The addresses and texts of replies.
select reply_id as ref, address, text from reply where reply_id = any ($1::bigint[]);

-- name: list_comments
-- The words beside answers, unless they were taken back or erased.
select response_id as ref, comment as text from response_comment where response_id = any ($1::bigint[]);
