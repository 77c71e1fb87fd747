-- name: add_reply
-- Stores a reply and its reading. While its author, who was asked back ($15), may answer first, it is not open.
insert into reply (
  inbound_id, channel, address, sender, person_id, message_id, text, reading, rule, rule_version, answer_kind, answer_id,
  why_open, state, received_at, asked_back_at, asked_until, note
)
select
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
  case when author.is_awaited then 'asked_back' else $13::text end,
  case when author.is_awaited then 'asked' when $13 is null then 'closed' else 'open' end,
  $14, case when $15 is not null then $14 end, case when author.is_awaited then $15 end, $16
from (select coalesce($15::timestamptz > $14::timestamptz, false) as is_awaited) as author
returning reply_id;

-- name: lock_reply
-- Locks a reply, with the address and the subject of the message it answers.
select
  r.reply_id, r.channel, r.address, r.sender, r.text, r.received_at, r.person_id, r.message_id, m.address as written_to,
  to_jsonb(subject) as subject, r.reading, r.rule, r.why_open, r.state, r.answer_kind, r.answer_id
from reply r
left join message_any m on m.message_id = r.message_id
left join message_any began on began.message_id = conversation_of(r.message_id)
left join campaign c on c.campaign_id = began.campaign_id
left join subject using (subject_kind, subject_id)
where r.reply_id = $1
for update of r;

-- name: close_reply
-- Closes a reply, with who did it and when; a second close changes nothing.
update reply set state = 'closed', closed_at = $2, closed_by = $3 where reply_id = $1 and state <> 'closed';
