-- migrate:up

-- Turnout for reports: each ballot as a whole, and each unit with everything below it. Left out is what would tell of few people:
-- units in which fewer than ten may vote, figures below five, and, so that nobody gets these by taking the parts from the whole,
-- the smallest of the others wherever what is left out of a unit is still that little. Where a unit is left out, all below it is.
create view report_turnout with (security_barrier) as
with direct as (
  select ballot_id, unit_id, measure, sum(n) as n from count_change group by ballot_id, unit_id, measure
), spread as (
  select ballot_id, 0 as unit_id, measure, n from direct -- 0: the whole ballot
  union all
  select d.ballot_id, above.unit_id, d.measure, d.n
  from direct d
  join unit u using (unit_id)
  cross join lateral unnest(u.lineage) as above (unit_id)
), summed as (
  select ballot_id, unit_id, measure, sum(n)::bigint as n from spread group by ballot_id, unit_id, measure
), sized as (
  select s.ballot_id, s.unit_id, coalesce(u.parent_id, 0) as parent_id, u.lineage, s.n, s.n >= 10 as is_large
  from summed s
  join unit u using (unit_id)
  where s.measure = 'electorate'
), small as (
  select ballot_id, unit_id
  from (
    select
      z.ballot_id, z.unit_id, z.is_large,
      row_number() over (partition by z.ballot_id, z.parent_id, z.is_large order by z.n, z.unit_id) as nth,
      above.n - sum(z.n) filter (where z.is_large) over (partition by z.ballot_id, z.parent_id) as rest
    from sized z
    join summed above on above.ballot_id = z.ballot_id and above.unit_id = z.parent_id and above.measure = 'electorate'
  ) z
  where not is_large or nth = 1 and rest between 1 and 9
), shown as (
  select ballot_id, unit_id, parent_id, lineage from sized
  except
  select z.ballot_id, z.unit_id, z.parent_id, z.lineage
  from sized z
  cross join lateral unnest(z.lineage) as above (unit_id)
  join small on small.ballot_id = z.ballot_id and small.unit_id = above.unit_id
), cell as (
  select ballot_id, unit_id, z.parent_id, z.lineage, s.measure, s.n, s.n >= 5 as is_large
  from summed s
  join shown z using (ballot_id, unit_id)
), small_cell as (
  select ballot_id, unit_id, measure
  from (
    select
      c.ballot_id, c.unit_id, c.measure, c.is_large,
      row_number() over (partition by c.ballot_id, c.parent_id, c.measure, c.is_large order by c.n, c.unit_id) as nth,
      above.n - sum(c.n) filter (where c.is_large) over (partition by c.ballot_id, c.parent_id, c.measure) as rest
    from cell c
    join summed above on above.ballot_id = c.ballot_id and above.unit_id = c.parent_id and above.measure = c.measure
  ) c
  where not is_large or nth = 1 and rest between 1 and 4
), published as (
  select ballot_id, unit_id, measure, n from summed where unit_id = 0
  union all
  select ballot_id, unit_id, measure, n from cell
  except
  select c.ballot_id, c.unit_id, c.measure, c.n
  from cell c
  cross join lateral unnest(c.lineage) as above (unit_id)
  join small_cell small on small.ballot_id = c.ballot_id and small.unit_id = above.unit_id and small.measure = c.measure
)
select
  b.name as ballot, b.title, k.kind as unit_kind,
  (
    select string_agg(above.name, ' / ' order by step.n)
    from unnest(k.lineage) with ordinality as step (unit_id, n)
    join unit above using (unit_id)
  ) as unit,
  t.measure, t.n
from published t
join ballot b on b.ballot_id = t.ballot_id
left join unit k on k.unit_id = t.unit_id;
grant select on report_turnout to muster_reports;

-- migrate:down
