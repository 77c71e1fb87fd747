-- name: add_reply
-- Stores a reply and its reading.
insert into reply (
  inbound_id, channel, address, sender, person_id, message_id, text, reading, rule, rule_version,
  answer_kind, answer_id, why_open, state, received_at, asked_back_at, asked_until
)
values (
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, case when $12::bigint is not null then $11::text end, $12,
  case when $16::timestamptz is not null then 'asked_back' else $13::text end,
  case when $16 is not null then 'asked' when $13 is null then 'closed' else 'open' end, $14, $15, $16
)
returning reply_id;

-- name: find_reply
-- The reply that an inbound item has already become, if it was processed before.
select reply_id, answer_id, nullif(why_open, 'asked_back') as why_open from reply where inbound_id = $1;
