-- migrate:up

-- A name as people type it: without case and accents, so that "sian" finds Siân.
create function folded(written text) returns text language sql immutable parallel safe strict as $$
  select lower(regexp_replace(normalize(written, NFD), '[\u0300-\u036f]', '', 'g'))
$$;

-- Any part of a name, a number or a mailbox is found by its groups of three letters. The extension is part of PostgreSQL,
-- but not installed on every server: there, a search reads every member, which 120,000 are few enough for. Imports wait
-- while the indexes are built, about a second.
do $$
begin
  create extension if not exists pg_trgm;
  create index person_search on person using gin (folded(first_name || ' ' || last_name || ' ' || external_id) gin_trgm_ops);
  create index address_search on address using gin (address gin_trgm_ops);
exception when undefined_file or insufficient_privilege or feature_not_supported then
  raise notice 'pg_trgm is not to be had here: searching for members reads all of them';
end $$;

-- migrate:down
