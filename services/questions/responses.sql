-- name: lock_response_status
-- Lets one response at a time be recorded for a person and question, so that two never both see "has not answered yet".
-- The lock is advisory, because an import may have locked the person's row.
select
  q.goal_id,
  exists (select from person where person_id = $2) as known,
  $3::text is null or exists (select from question_answer a where a.question_id = $1 and a.name = $3) as offered,
  pg_advisory_xact_lock(hashtextextended('response:' || $1::bigint || ':' || $2::bigint, 0))
from question q
where q.question_id = $1;

-- name: add_response
-- Adds a response to the ledger. An answer is about the date that its message named, if that was due before one: it is
-- read here, because another query would cost every answer something. Where staff say whose answer it is that came from
-- a shared phone, the message that it seems to answer may be another person's, and the date is that person's.
insert into response (question_id, person_id, answer, source, recorder, at, message_id, campaign_id, retracts, date_at)
values (
  $1, $2, $3, $4, $5, coalesce($6, now()), $7, $8, $9,
  (
    select own.date_at
    from message m
    join step s using (step_id)
    join message own on own.step_id = m.step_id and own.person_id = $2
    where m.message_id = $7 and s.dated = 'before'
  )
)
returning response_id;

-- name: list_changed_dates
-- People who have another date now than a campaign has told them, or than its last change says. (A sent message is
-- about the date it named; a waiting message follows its person's date.)
select d.person_id, d.date_at
from unnest($3::bigint[], $4::timestamptz[]) as d (person_id, date_at)
left join lateral (
  select r.date_at
  from response r
  where r.question_id = $1 and r.person_id = d.person_id and r.campaign_id = $2 and r.source = 'date_change'
  order by r.response_id desc
  limit 1
) as noted on true
where case when noted.date_at is not null then noted.date_at <> d.date_at else exists (
  select from step s
  join message m on m.step_id = s.step_id and m.person_id = d.person_id
  left join in_flight i on i.message_id = m.message_id
  where s.campaign_id = $2 and s.dated = 'before' and coalesce(m.wire_at, i.wire_at) is not null and m.date_at <> d.date_at
) end
order by d.person_id;

-- name: lock_many
-- Takes the locks of several people, in the order of their ids, before their rows are changed.
select pg_advisory_xact_lock(hashtextextended('response:' || $1::bigint || ':' || p.person_id, 0))
from (select unnest($2::bigint[]) as person_id order by 1) as p;

-- name: add_date_change
-- Adds to the ledger that somebody has another date now.
insert into response (question_id, person_id, source, recorder, at, campaign_id, date_at)
values ($1, $2, 'date_change', 'muster', $5, $3, $4);

-- name: find_goal
-- The goal of a question, which everybody who answers has met.
select goal_id from question where question_id = $1;

-- name: add_comment
-- Keeps the words of a response apart from the ledger: they can be deleted.
insert into response_comment (response_id, comment) values ($1, $2);

-- name: delete_comment
-- Empties the comment of an answer that its person has taken back.
delete from response_comment where response_id = $1;

-- name: update_status
-- Recomputes the person's present answer and writes the difference as rows of +1 and -1, so that nobody waits for a
-- counter. People who change their mind stay in the unit in which they were counted first.
with best as (
  select r.response_id, r.answer, r.campaign_id
  from valid_response r
  where r.question_id = $1 and r.person_id = $2
  order by r.at desc, r.response_id desc
  limit 1
), before as (
  select response_id, answer, campaign_id, unit_id from response_status where question_id = $1 and person_id = $2
), place as (
  select case when exists (select from before) then (select unit_id from before) else p.unit_id end as unit_id
  from person p
  where p.person_id = $2
), placed as (
  insert into response_status (question_id, person_id, response_id, answer, campaign_id, unit_id)
  select $1, $2, b.response_id, b.answer, b.campaign_id, p.unit_id from best b cross join place p
  on conflict (question_id, person_id) do update
    set response_id = excluded.response_id, answer = excluded.answer, campaign_id = excluded.campaign_id
    where response_status.response_id <> excluded.response_id
), removed as (
  delete from response_status where question_id = $1 and person_id = $2 and not exists (select from best)
), counted as (
  insert into response_count (question_id, campaign_id, unit_id, answer, n)
  select $1, change.campaign_id, p.unit_id, change.answer, change.n
  from place p
  cross join (
    select answer, campaign_id, 1 as n from best union all select answer, campaign_id, -1 from before
  ) change
  where (select (answer, campaign_id) from before) is distinct from (select (answer, campaign_id) from best)
)
select (select answer from before) as before, (select answer from best) as now;

-- name: find_response
-- A response, and the one that retracts it, if any.
select r.question_id, r.person_id, r.retracts, r.message_id, r.campaign_id, undone.response_id as retracted_by
from response r
left join response undone on undone.retracts = r.response_id
where r.response_id = $1;

-- name: find_present_answer
-- The present answer of a person, the same answer given before it in a row (somebody who says "good" twice has said one
-- thing), and the comments that they have left since and not taken back.
select
  s.response_id, s.answer, r.message_id, r.at, same.ids as repeated_ids,
  array(
    select later.response_id
    from response later
    where later.question_id = $1 and later.person_id = $2 and later.response_id > coalesce(same.ids[1], s.response_id)
      and later.answer is null and later.retracts is null
      and not exists (select from response undone where undone.retracts = later.response_id)
    order by later.response_id
  ) as comment_ids
from response_status s
join response r using (response_id)
cross join lateral (
  select array(
    select v.response_id
    from valid_response v
    where v.question_id = $1 and v.person_id = $2 and v.answer = s.answer and v.response_id <> s.response_id
      and not exists (
        select from valid_response other
        where other.question_id = $1 and other.person_id = $2 and other.answer <> s.answer
          and (other.at, other.response_id) > (v.at, v.response_id)
      )
    order by v.response_id
  ) as ids
) as same
where s.question_id = $1 and s.person_id = $2;
