-- name: find_language_and_answer
-- The language of a person, and their present answer about a subject.
select p.language, s.status as answer
from person p
left join subject_status s on s.subject_kind = $2 and s.subject_id = $3 and s.person_id = p.person_id
where p.person_id = $1;
