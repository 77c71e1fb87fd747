-- migrate:up

-- Rights of the logins (core/db/logins.py), which were made before this: by `muster migrate`, by an administrator, or at the
-- start of the embedded server. `muster_worker` works with every row of every table and owns none. The logins of staff and
-- reports are granted nothing here: what they may see is granted table by table, where its policies are.
alter default privileges revoke execute on functions from public;
alter default privileges in schema public grant select, insert, update, delete on tables to muster_worker;
alter default privileges in schema public grant usage, select on sequences to muster_worker;
alter default privileges in schema public grant execute on functions to muster_worker;
grant select, insert, update, delete on all tables in schema public to muster_worker;
grant usage, select on all sequences in schema public to muster_worker;
grant execute on all functions in schema public to muster_worker;

-- Renews the planner's statistics of a table, which only its owner may before PostgreSQL 17.
create function refresh_statistics(variadic tables regclass[]) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  known regclass;
begin
  foreach known in array tables loop
    execute format('analyze %s', known);
  end loop;
end $$;

-- migrate:down
