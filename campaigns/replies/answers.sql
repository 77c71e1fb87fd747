-- name: find_reply
-- The reply that an inbound item has already become, if it was processed before.
select reply_id, answer_id, nullif(why_open, 'asked_back') as why_open from reply where inbound_id = $1;
