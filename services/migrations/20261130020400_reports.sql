-- migrate:up

-- Answers for reports: each question as a whole, and each unit with everything below it. Left out is what would tell of few
-- people: units from which fewer than ten have answered, figures below five, and, so that nobody gets these by taking the parts
-- from the whole, the smallest of the others wherever what is left out of a unit is still that little. Where a unit is left
-- out, all below it is.
create view report_answers with (security_barrier) as
with direct as (
  select question_id, unit_id, answer, sum(n) as n from response_count group by question_id, unit_id, answer
), spread as (
  select question_id, 0 as unit_id, answer, n from direct -- 0: everybody
  union all
  select d.question_id, above.unit_id, d.answer, d.n
  from direct d
  join unit u using (unit_id)
  cross join lateral unnest(u.lineage) as above (unit_id)
), summed as (
  select question_id, unit_id, answer, sum(n)::bigint as n from spread group by question_id, unit_id, answer
), answered as (
  select question_id, unit_id, sum(n) as n from summed group by question_id, unit_id
), sized as (
  select a.question_id, a.unit_id, coalesce(u.parent_id, 0) as parent_id, u.lineage, a.n, a.n >= 10 as is_large
  from answered a
  join unit u using (unit_id)
), small as (
  select question_id, unit_id
  from (
    select
      z.question_id, z.unit_id, z.is_large,
      row_number() over (partition by z.question_id, z.parent_id, z.is_large order by z.n, z.unit_id) as nth,
      above.n - sum(z.n) filter (where z.is_large) over (partition by z.question_id, z.parent_id) as rest
    from sized z
    join answered above on above.question_id = z.question_id and above.unit_id = z.parent_id
  ) z
  where not is_large or nth = 1 and rest between 1 and 9
), shown as (
  select question_id, unit_id, parent_id, lineage from sized
  except
  select z.question_id, z.unit_id, z.parent_id, z.lineage
  from sized z
  cross join lateral unnest(z.lineage) as above (unit_id)
  join small on small.question_id = z.question_id and small.unit_id = above.unit_id
), cell as (
  select question_id, unit_id, z.parent_id, z.lineage, s.answer, s.n, s.n >= 5 as is_large
  from summed s
  join shown z using (question_id, unit_id)
), small_cell as (
  select question_id, unit_id, answer
  from (
    select
      c.question_id, c.unit_id, c.answer, c.is_large,
      row_number() over (partition by c.question_id, c.parent_id, c.answer, c.is_large order by c.n, c.unit_id) as nth,
      above.n - sum(c.n) filter (where c.is_large) over (partition by c.question_id, c.parent_id, c.answer) as rest
    from cell c
    join summed above on above.question_id = c.question_id and above.unit_id = c.parent_id and above.answer = c.answer
  ) c
  where not is_large or nth = 1 and rest between 1 and 4
), published as (
  select question_id, unit_id, answer, n from summed where unit_id = 0
  union all
  select question_id, unit_id, answer, n from cell
  except
  select c.question_id, c.unit_id, c.answer, c.n
  from cell c
  cross join lateral unnest(c.lineage) as above (unit_id)
  join small_cell small on small.question_id = c.question_id and small.unit_id = above.unit_id and small.answer = c.answer
)
select
  q.name as question, q.title, k.kind as unit_kind,
  (
    select string_agg(above.name, ' / ' order by step.n)
    from unnest(k.lineage) with ordinality as step (unit_id, n)
    join unit above using (unit_id)
  ) as unit,
  a.label as answer, t.n
from published t
join question q on q.question_id = t.question_id
join question_answer a on a.question_id = t.question_id and a.name = t.answer
left join unit k on k.unit_id = t.unit_id
where t.n > 0;
grant select on report_answers to muster_reports;

-- migrate:down
