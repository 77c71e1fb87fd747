-- name: list_unit_paths
-- Units by their own name and by their path from the top, so that "Leeds" will do where there is only one.
select
  u.unit_id, u.name,
  (select string_agg(a.name, '/' order by step.n)
   from unnest(u.lineage) with ordinality as step (unit_id, n) join unit a on a.unit_id = step.unit_id) as path
from unit u;
