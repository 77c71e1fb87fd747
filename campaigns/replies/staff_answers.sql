-- name: lock_reply
-- Locks a reply, for one answer at a time. A button is answered by the channel of the message that it answers.
select
  r.reply_id, case r.channel when 'link' then m.channel else r.channel end as channel, r.channel = 'link' as pressed,
  r.address, r.sender, r.person_id, m.sender_id,
  (select began.message_id from message_any began where began.message_id = conversation_of(r.message_id) and began.step_id is not null) as about
from reply r
left join message_any m on m.message_id = r.message_id
where r.reply_id = $1
for update of r;

-- name: close_reply
-- Closes the reply: it has been answered.
update reply set state = 'closed', closed_at = $2, closed_by = $3 where reply_id = $1 and state = 'open';

-- name: record_audit
-- Records which member of staff answered.
insert into audit (actor, action, subject, detail, at) values ($1, 'answer_reply', $2, $3, $4);

-- name: list_answers
-- Answers to a reply, oldest first; they are found by the beginning of their reference.
select t.message_id, m.created_at as at, t.asked_by as by, t.content ->> 'text' as text, m.state::text as state
from transactional t
join message_any m using (message_id)
where t.kind = 'answer' and t.reference is not null and starts_with(t.reference, $1)
order by t.message_id;
