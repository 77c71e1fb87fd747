-- name: find_subject
-- A subject, as JSON.
select to_jsonb(subject) from subject where subject_kind = $1 and subject_id = $2;
