-- name: indexes
-- What is to be built again at the end.
select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as made
from pg_index
where indrelid = any ($1::text[]::regclass[])
  and not exists (select from pg_constraint where conindid = indexrelid);

-- name: constraints
-- And the indexes that constraints stand on, but for keys that other tables refer to.
select c.conrelid::regclass::text as place, c.conname as name, pg_get_constraintdef(c.oid) as made
from pg_constraint c
where c.conrelid = any ($1::text[]::regclass[]) and c.contype in ('p', 'u')
  and not (c.contype = 'p' and c.conrelid = 'message'::regclass)
  and not exists (select from pg_constraint other where other.contype = 'f' and other.conindid = c.conindid);
