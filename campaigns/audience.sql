-- name: units_by_path
-- Units by their own name and by their path from the top, so that "Leeds" will do where there is only one.
select
  u.unit_id, u.name,
  (select string_agg(a.name, '/' order by step.n)
   from unnest(u.lineage) with ordinality as step (unit_id, n) join unit a on a.unit_id = step.unit_id) as path
from unit u;

-- name: attribute_names
-- What a filter may ask about.
select name from attribute;

-- name: values_held
-- What members have as an attribute, the most frequent first; a free text has more values than anybody compares.
select attributes ->> $1 as value from person where attributes ? $1 and struck_off_at is null group by 1 order by count(*) desc, 1 limit 2000;

-- name: languages_held
-- The languages that members have.
select language as value from person where struck_off_at is null group by 1 order by count(*) desc, 1;

-- name: unknown_members
-- Membership numbers in a filter that nobody has.
select wanted from unnest($1::text[]) as w (wanted)
where not exists (select from person where external_id = wanted)
order by wanted
limit 4
