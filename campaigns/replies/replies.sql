-- name: add_reply
-- Stores a reply and its reading. While its author, who was asked back ($15), may answer first, it is not open.
insert into reply (
  inbound_id, channel, address, sender, person_id, message_id, text, reading, rule, rule_version, answer_kind, answer_id,
  why_open, state, received_at, asked_back_at, asked_until
)
select
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
  case when author.is_awaited then 'asked_back' else $13::text end,
  case when author.is_awaited then 'asked' when $13 is null then 'closed' else 'open' end,
  $14, case when $15 is not null then $14 end, case when author.is_awaited then $15 end
from (select coalesce($15::timestamptz > $14::timestamptz, false) as is_awaited) as author
returning reply_id;
