-- name: find_press
-- The latest press on this message's page that is open for staff.
select reply_id, answer_id, received_at
from reply
where message_id = $1 and channel = 'link' and state = 'open'
order by reply_id desc
limit 1;

-- name: close_press
-- Closes a press that the member has undone.
update reply set state = 'closed', closed_at = $2, closed_by = 'member' where reply_id = $1;

-- name: close_call
-- Closes the wish for a call that was pressed on this message's page.
update reply set state = 'closed', closed_at = $2, closed_by = 'member'
where message_id = $1 and channel = 'link' and state = 'open' and reading = 'call_me'
returning reply_id;

-- name: close_answers
-- Closes replies that wait because of answers that their authors have taken back.
update reply set state = 'closed', closed_at = $4, closed_by = 'member'
where person_id = $1 and state = 'open' and answer_kind = $2 and answer_id = any ($3);

-- name: empty_words
-- Empties the words of a comment that its author has taken back.
update reply set text = '' where channel = 'link' and answer_kind = $1 and answer_id = $2 and text <> '';
