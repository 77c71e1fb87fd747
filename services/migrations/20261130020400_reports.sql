-- migrate:up

-- Answers for reports: each question as a whole, and each unit with everything below it. Units from which fewer than ten have
-- answered are left out, as their figures would tell what somebody said.
create view report_answers as
with direct as (
  select question_id, unit_id, answer, sum(n) as n from response_count group by question_id, unit_id, answer
), spread as (
  select question_id, null::bigint as unit_id, answer, n from direct
  union all
  select d.question_id, above.unit_id, d.answer, d.n
  from direct d
  join unit u using (unit_id)
  cross join lateral unnest(u.lineage) as above (unit_id)
), summed as (
  select
    question_id, unit_id, answer, sum(n)::bigint as n,
    sum(sum(n)) over (partition by question_id, unit_id) as answered
  from spread
  group by question_id, unit_id, answer
)
select
  q.name as question, q.title, k.kind as unit_kind,
  (
    select string_agg(above.name, ' / ' order by step.n)
    from unnest(k.lineage) with ordinality as step (unit_id, n)
    join unit above using (unit_id)
  ) as unit,
  a.label as answer, s.n
from summed s
join question q on q.question_id = s.question_id
join question_answer a on a.question_id = s.question_id and a.name = s.answer
left join unit k on k.unit_id = s.unit_id
where s.n > 0 and (s.unit_id is null or s.answered >= 10);
grant select on report_answers to muster_reports;

-- migrate:down
