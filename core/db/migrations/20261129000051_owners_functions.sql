-- migrate:up

-- Who works with the tables need not own them. What takes an owner is done by functions of the owner's, each of which does
-- one thing, and whose tables nobody can put others in the place of.
alter function make_archive_year(integer) security definer set search_path = public, pg_temp;
alter function drop_archive_year(integer) security definer set search_path = public, pg_temp;

create function clear_staging() returns void language sql security definer set search_path = public, pg_temp as $$
  truncate staged_person, staged_unit;
$$;

revoke all on function make_archive_year(integer), drop_archive_year(integer), clear_staging() from public;

-- migrate:down
