-- name: find_same_comment
-- The same words that came by this message's page before; those that were taken back are gone.
select reply_id, answer_id, why_open
from reply
where message_id = $1 and channel = 'link' and reading = 'comment' and text = $2
order by reply_id desc
limit 1;

-- name: find_present_answer
-- The answer of the person who leaves a comment.
select status from subject_status where subject_kind = $1 and subject_id = $2 and person_id = $3;

-- name: add_press
-- Stores a press, or a comment, from a member's page as a reply.
insert into reply (
  inbound_id, channel, address, sender, person_id, message_id, text, reading, rule, rule_version, answer_kind, answer_id,
  why_open, state, received_at
)
values (
  $1, 'link', $2, $3, $4, $5, $6, $7, 'button', '1', case when $9::bigint is not null then $8::text end, $9, $10::text,
  case when $10 is null then 'closed' else 'open' end, $11
)
returning reply_id;
