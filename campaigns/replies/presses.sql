-- name: find_same_comment
-- The same words, sent before from this message's page; words that were taken back are deleted.
select reply_id, answer_id, why_open
from reply
where message_id = $1 and channel = 'link' and reading = 'comment' and text = $2
order by reply_id desc
limit 1;

-- name: find_present_answer
-- The answer of the person who leaves a comment.
select status from subject_status where subject_kind = $1 and subject_id = $2 and person_id = $3;
