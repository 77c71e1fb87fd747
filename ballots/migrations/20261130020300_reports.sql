-- migrate:up

-- Turnout for reports: each ballot as a whole, and each unit with everything below it. Units in which fewer than ten may vote are
-- left out, as their figures would tell what somebody said.
create view report_turnout as
with direct as (
  select ballot_id, unit_id, measure, sum(n) as n from count_change group by ballot_id, unit_id, measure
), spread as (
  select ballot_id, null::bigint as unit_id, measure, n from direct
  union all
  select d.ballot_id, above.unit_id, d.measure, d.n
  from direct d
  join unit u using (unit_id)
  cross join lateral unnest(u.lineage) as above (unit_id)
), summed as (
  select ballot_id, unit_id, measure, sum(n)::bigint as n from spread group by ballot_id, unit_id, measure
), large as (
  select ballot_id, unit_id from summed where measure = 'electorate' and (unit_id is null or n >= 10)
)
select
  b.name as ballot, b.title, k.kind as unit_kind,
  (
    select string_agg(above.name, ' / ' order by step.n)
    from unnest(k.lineage) with ordinality as step (unit_id, n)
    join unit above using (unit_id)
  ) as unit,
  s.measure, s.n
from summed s
join large on large.ballot_id = s.ballot_id and large.unit_id is not distinct from s.unit_id
join ballot b on b.ballot_id = s.ballot_id
left join unit k on k.unit_id = s.unit_id;
grant select on report_turnout to muster_reports;

-- migrate:down
