-- name: list_respondents
-- People who answered or left a comment that they have not taken back, with the unit they are counted in, which is
-- their present unit if they only left a comment.
with answered as (
  select distinct r.person_id from response r where r.question_id = $1 and r.person_id > $5 and r.retracts is null
    and r.source <> 'date_change'
)
select
  p.person_id, p.external_id as member_id, coalesce(unit_path(place.lineage), '') as unit, s.answer, theirs.comments, latest.source,
  latest.at
from answered
join person p using (person_id)
left join lateral (
  select s.answer, s.unit_id, s.response_id from response_status s
  where s.question_id = $1 and s.person_id = p.person_id
  limit 1
) as s on true
cross join lateral (
  select coalesce(array_agg(c.comment order by r.at, r.response_id), '{}') as comments
  from response r
  join response_comment c using (response_id)
  where r.question_id = $1 and r.person_id = p.person_id
) theirs
join lateral (
  select r.source, r.at
  from response r
  where r.question_id = $1 and r.person_id = p.person_id and r.retracts is null and r.source <> 'date_change'
    and not exists (select from response undone where undone.retracts = r.response_id)
  order by r.at desc, r.response_id desc
  limit 1
) latest on true
left join unit place on place.unit_id = case when s.response_id is null then p.unit_id else s.unit_id end
where (s.answer is not null or cardinality(theirs.comments) > 0)
  and ($2::bigint is null or $2 = any (place.lineage))
  and ($3::text is null or s.answer = $3)
  and (not $4 or cardinality(theirs.comments) > 0)
order by p.person_id
limit $6;
