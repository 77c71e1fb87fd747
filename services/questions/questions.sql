-- name: lock_letters
-- Makes the second of two questions that are created at once wait, so that they get different letters.
select pg_advisory_xact_lock(hashtextextended('question letter', 0));

-- name: create_question
-- Checks the name and inserts in one statement. The letter is the first that no open question has; if all are taken,
-- one that the fewest questions have. I and O are left out, because they look like 1 and 0.
insert into question (
  name, title, organisation, asks, comment, opens_at, closes_at, time_zone, translations, goal_id, letter
)
select $1, $2, $3, $4, $5, coalesce($6, '-infinity'::timestamptz), $7, $8, $9, $10, letter
from unnest(string_to_array('A B C D E F G H J K L M N P Q R S T U V W X Y Z', ' ')) as free (letter)
left join question q using (letter)
group by letter
order by count(*) filter (where q.closes_at > $11), letter
limit 1
on conflict (name) do nothing
returning question_id;

-- name: add_answers
-- Adds answers, in the order of the file.
insert into question_answer (question_id, position, name, label, digit, words, low)
select
  $1, place, a ->> 'name', a ->> 'label', a ->> 'digit', array(select jsonb_array_elements_text(a -> 'words')),
  (a ->> 'low')::boolean
from jsonb_array_elements($2) with ordinality as given (a, place);

-- name: delete_answers
-- Removes the answers of a question about which nobody has said anything.
delete from question_answer
where question_id = $1 and not exists (select from response r where r.question_id = $1);

-- name: delete_question
-- Removes the question itself.
delete from question where question_id = $1 and not exists (select from response r where r.question_id = $1);

-- name: extend_question
-- Sets a later close, only while it is open: afterwards its letter may be another question's.
update question set closes_at = $2 where question_id = $1 and closes_at > $3 and closes_at < $2 returning question_id;

-- name: get_question
-- A question by its name, with its answers.
select * from question_described where name = $1;

-- name: list_names
-- Names of questions, the soonest to close first.
select name from question order by closes_at, name;
