-- migrate:up

-- A membership number without what spreadsheets and people change in it: zeros at its beginning, and case.
create function number_key(external_id text) returns text language sql immutable strict parallel safe as $$
  select lower(ltrim(external_id, '0'))
$$;
grant execute on function number_key to public;

-- migrate:down
