-- name: sum_question
-- Sums the whole question, or one campaign's share of it: a few hundred rows, even after many answers.
select answer, sum(n)::bigint as n
from response_count
where question_id = $1 and ($2::bigint is null or campaign_id = $2)
group by answer;

-- name: sum_units
-- Sums the rows of the units people are in, then adds each sum to every unit above; the last row, without a unit,
-- counts people without a unit of the requested kind.
with direct as (
  select unit_id, answer, sum(n) as n
  from response_count
  where question_id = $1 and ($3::bigint is null or campaign_id = $3)
  group by unit_id, answer
), spread as (
  select k.unit_id, d.answer, d.n
  from direct d
  join unit u on u.unit_id = d.unit_id
  join unit k on k.unit_id = any (u.lineage) and ($2::text is null or k.kind = $2)
  union all
  select null, d.answer, d.n
  from direct d
  where not exists (
    select from unit u join unit k on k.unit_id = any (u.lineage) and ($2::text is null or k.kind = $2)
    where u.unit_id = d.unit_id
  )
), gathered as (
  select unit_id, jsonb_object_agg(answer, n) as answers
  from (select unit_id, answer, sum(n)::bigint as n from spread group by unit_id, answer) summed
  where n <> 0
  group by unit_id
)
select
  g.unit_id, coalesce(u.name, '') as name, g.answers,
  coalesce(unit_path(u.lineage), '') as path
from gathered g
left join unit u using (unit_id)
order by u.unit_id is null, path, u.unit_id;

-- name: find_ledger_differences
-- Recounts present answers from the ledger, in the units in which they are counted, and returns where the sums differ.
-- Each status is looked up by its whole key (`limit 1`), also while statistics do not know the question.
with present as (
  select distinct on (r.person_id) r.person_id, r.answer, r.campaign_id
  from valid_response r
  where r.question_id = $1
  order by r.person_id, r.at desc, r.response_id desc
), counted as (
  select coalesce(r.campaign_id, 0) as campaign_id, coalesce(s.unit_id, 0) as unit_id, r.answer, count(*) as n
  from present r
  left join lateral (
    select s.unit_id from response_status s where s.question_id = $1 and s.person_id = r.person_id limit 1
  ) as s on true
  group by 1, 2, 3
), summed as (
  select coalesce(campaign_id, 0) as campaign_id, coalesce(unit_id, 0) as unit_id, answer, sum(n)::bigint as n
  from response_count where question_id = $1
  group by 1, 2, 3
)
select
  nullif(campaign_id, 0) as campaign_id, nullif(unit_id, 0) as unit_id, answer, coalesce(t.n, 0) as summed,
  coalesce(c.n, 0) as counted
from counted c
full join summed t using (campaign_id, unit_id, answer)
where coalesce(t.n, 0) <> coalesce(c.n, 0)
order by 1, 2, 3;

-- name: compact
-- Replaces the rows of each sum by one row. An answer recorded meanwhile adds its own row and is not disturbed.
with crowded as (
  select unnest(array_agg(response_count_id)) as response_count_id
  from response_count group by question_id, campaign_id, unit_id, answer having count(*) > 1
), removed as (
  delete from response_count t
  using crowded c
  where t.response_count_id = c.response_count_id
  returning t.question_id, t.campaign_id, t.unit_id, t.answer, t.n
), kept as (
  insert into response_count (question_id, campaign_id, unit_id, answer, n)
  select question_id, campaign_id, unit_id, answer, sum(n)
  from removed group by question_id, campaign_id, unit_id, answer having sum(n) <> 0
)
select count(*) from removed;
