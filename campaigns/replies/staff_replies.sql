-- name: find_thread
-- The channel and sender of the message that a reply answers, and the campaign's message with which that conversation began.
select
  m.channel, m.sender_id,
  (select began.message_id from message_any began where began.message_id = conversation_of($1) and began.step_id is not null) as about
from message_any m
where m.message_id = $1;

-- name: list_failed
-- The replies that a staff reply closed, or staff since it was asked for, and that have it no more. The index on transactional
-- messages that failed has few entries; a reply that has been opened or closed since is no longer one of these.
select distinct on (r.reply_id) r.reply_id, m.message_id, coalesce(m.reason, '') as reason
from message m
join transactional t using (message_id)
join reply r on r.reply_id = substring(t.reference from '^reply (\d+): ')::bigint
where m.step_id is null and m.state in ('failed', 'undelivered', 'bounced', 'expired', 'suppressed', 'cancelled')
  and t.kind = 'staff_reply' and r.state = 'closed' and r.closed_at between m.created_at and m.changed_at
order by r.reply_id, m.changed_at desc;

-- name: reopen_reply
-- Opens a reply again, with what became of the staff reply behind what was noted before.
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
