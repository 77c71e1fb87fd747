-- name: list_units
-- The whole tree: a few thousand rows at most, and every path of a file is looked up in it.
select unit_id, parent_id, kind, name, lineage from unit order by unit_id;

-- name: add_units
-- Adds units, one level at a time, because a unit's lineage begins with its parent's and ends in its own id. The upsert
-- that changes nothing returns the id if the database folds two spellings into one that Python keeps apart.
insert into unit (unit_id, parent_id, kind, name, lineage) overriding system value
select new.unit_id, new.parent_id, $1, new.name, coalesce(parent.lineage, '{}') || new.unit_id
from (
  select nextval(pg_get_serial_sequence('unit', 'unit_id')) as unit_id, parent_id, name
  from unnest($2::bigint[], $3::text[]) with ordinality as given (parent_id, name, position)
  order by position
) as new
left join unit as parent on parent.unit_id = new.parent_id
on conflict (coalesce(parent_id, 0), kind, lower(name)) do update set name = unit.name
returning unit_id, parent_id, name;

-- name: respell_units
-- Gives units that were first written without any capital the spelling of a later file.
update unit set name = given.name
from unnest($1::bigint[], $2::text[]) as given (unit_id, name)
where unit.unit_id = given.unit_id;

-- name: list_lineage
-- A person's units from the root down.
select kind, name from unit where unit_id = any((select lineage from unit where unit_id = $1)::bigint[])
order by cardinality(lineage);

-- name: count_units
-- Everybody counts in the unit of that kind that they are in, or below; people in no such unit come last, without a
-- name.
select u.name, above.name as above,
       count(*) as people,
       count(*) filter (where r.sms) as sms,
       count(*) filter (where r.email) as email,
       count(*) filter (where not (r.sms or r.email)) as unreachable
from person as p
cross join lateral (
  select coalesce(bool_or(a.channel = 'sms'), false) as sms, coalesce(bool_or(a.channel = 'email'), false) as email
  from address as a where a.person_id = p.person_id
) as r
left join unit as own on own.unit_id = p.unit_id
left join unit as u on u.unit_id = any(own.lineage) and u.kind = $1
left join unit as above on above.unit_id = u.parent_id
where p.struck_off_at is null
group by u.unit_id, u.name, above.name
order by u.name nulls last, u.unit_id;

-- name: list_paths
-- Where some units are in the tree, as a page names them.
select unit_path(lineage) as path from unit where unit_id = any ($1::bigint[]) order by path;
