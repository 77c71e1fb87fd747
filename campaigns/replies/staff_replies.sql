-- name: find_thread
-- The channel and sender of the message that a reply answers, and the campaign's message that began the conversation.
select
  m.channel, m.sender_id,
  (select began.message_id from message_any began where began.message_id = conversation_of($1) and began.step_id is not null) as about
from message_any m
where m.message_id = $1;

-- name: list_failed
-- The closed replies whose staff reply has failed since it was queued. Read from
-- `message_exception`, which has few transactional messages; a reply that was opened or closed again since is not among them.
select distinct on (r.reply_id) r.reply_id, m.message_id, coalesce(m.reason, '') as reason
from message_exception x
join message m on m.message_id = x.message_id
join transactional t on t.message_id = x.message_id
join reply r on r.reply_id = substring(t.reference from '^reply (\d+): ')::bigint
where x.step_id is null and x.state in ('failed', 'undelivered', 'bounced', 'expired', 'suppressed', 'cancelled')
  and t.kind = 'staff_reply' and r.state = 'closed' and r.closed_at between m.created_at and m.changed_at
order by r.reply_id, m.changed_at desc;

-- name: reopen_reply
-- Opens a reply again, and adds to its note what became of the staff reply.
update reply
set state = 'open', why_open = 'staff_reply_failed', note = concat_ws(' ', note, $2::text), closed_at = null, closed_by = null
where reply_id = $1 and state = 'closed';

-- name: list_staff_replies
-- Staff replies to a reply, oldest first; they are found by the beginning of their reference.
select t.message_id, m.created_at as at, t.asked_by as by, t.content ->> 'text' as text, m.state::text as state
from transactional t
join message_any m using (message_id)
where t.kind = 'staff_reply' and t.reference is not null and starts_with(t.reference, $1)
order by t.message_id;
