-- name: list_answers
-- Everybody's present answer.
select person_id, answer from response_status where question_id = $1;

-- name: count_routes
-- Present answers, by the source that decided.
select r.source, count(*) as n
  from response_status s join response r using (response_id)
 where s.question_id = $1
 group by r.source
 order by r.source;

-- name: list_comments
-- Words that are kept, with who said them.
select r.person_id, c.comment from response r join response_comment c using (response_id) where r.question_id = $1;

-- name: list_units_of_people
-- The ward that each person is counted in, as its path; empty for people without a ward.
select p.person_id,
       coalesce((select unit_path(u.lineage) from unit u where u.unit_id = p.unit_id), '') as path
  from person p;

-- name: list_low_answers
-- People whose low answer staff see, or saw.
select distinct c.subject_id, r.person_id
  from reply r join message_any m using (message_id) join campaign c on c.campaign_id = m.campaign_id
 where r.why_open = 'low_answer';

-- name: list_asked_back
-- How often people were asked back about a question.
select c.subject_id, m.person_id, count(*) as n
  from reply r join message_any m using (message_id) join campaign c on c.campaign_id = m.campaign_id
 where r.asked_back_at is not null
 group by c.subject_id, m.person_id;

-- name: list_staff_answers
-- Staff replies that a provider took.
select m.address, count(*) as n
  from transactional t join message_any m using (message_id)
 where t.kind = 'staff_reply' and m.sent_at is not null
 group by m.address;
