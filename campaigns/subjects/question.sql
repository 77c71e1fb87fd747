-- name: is_asked
-- Whether a campaign asks a question.
select exists (select from campaign c where c.subject_kind = 'question' and c.subject_id = $1);
