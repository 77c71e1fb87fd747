-- migrate:up

-- For everyone.
grant select on unit, attribute to muster_staff, muster_staff_all;

-- A person without a unit is seen with the whole organisation only. Attributes are nobody's to read here: a member file may have
-- put a number or a mailbox there.
alter table person enable row level security;
create policy worker on person to muster_worker using (true) with check (true);
create policy staff on person for select to muster_staff using (unit_id = any ((select scope_units())::bigint[]));
create policy staff_all on person for select to muster_staff_all using ((select scope_is_everywhere()));
grant select (
  person_id, external_id, first_name, last_name, unit_id, language, time_zone, created_at, updated_at, left_at, struck_off_at, erased_at
) on person to muster_staff, muster_staff_all;

-- Addresses take a permission of their own, which may be for fewer units. A sub-select from `person` is under that table's policy.
alter table address enable row level security;
create policy worker on address to muster_worker using (true) with check (true);
create policy staff on address for select to muster_staff using (
  (select contacts_are_everywhere())
    and exists (select from person p where p.person_id = address.person_id)
  or exists (
    select from person p where p.person_id = address.person_id and p.unit_id = any ((select contact_units())::bigint[])
  )
);
create policy staff_all on address for select to muster_staff_all using (
  (select scope_is_everywhere() and contacts_are_everywhere())
  or exists (
    select from person p where p.person_id = address.person_id and p.unit_id = any ((select contact_units())::bigint[])
  )
);
grant select on address to muster_staff, muster_staff_all;

-- What was sent to a person, and their opt-outs in answer to it, are seen where the person is. PostgreSQL looks the person up
-- for a few rows, and for many gathers the people of the scope once.
create policy staff on message for select to muster_staff using (
  exists (select from person p where p.person_id = message.person_id)
);
create policy staff on message_archive for select to muster_staff using (
  exists (select from person p where p.person_id = message_archive.person_id)
);
create policy staff on transactional for select to muster_staff using (
  exists (select from message m where m.message_id = transactional.message_id)
);
create policy staff on suppression_event for select to muster_staff using (
  exists (select from message_recipient m where m.message_id = suppression_event.message_id)
);
grant select on message_recipient to muster_staff, muster_staff_all;

alter view person_facts set (security_invoker = true);
alter view template_variables set (security_invoker = true);

grant execute on function folded, number_key, unit_path to muster_staff, muster_staff_all;

-- What contains a word, as a pattern. Patterns are written in the database and of words, never taken from a caller: `like` fails on
-- a pattern that ends in a backslash, but only in the row that has all before it, be it hidden, and the error would tell of it.
create function containing(word text) returns text language sql immutable parallel safe set search_path = public, pg_temp as $$
  select '%' || regexp_replace(word, '([\\%_])', '\\\1', 'g') || '%'
$$;

-- A word, and what it is with two neighbouring letters changed, as patterns: "Sain" for Siân has hardly a group of three letters in
-- common with it.
create function swapped(word text) returns text[] language sql immutable parallel safe set search_path = public, pg_temp as $$
  select array_agg(containing(variant))
  from (
    select word
    union
    select overlay(word placing reverse(substr(word, n, 2)) from n for 2) from generate_series(1, length(word) - 1) as n
  ) as v (variant)
$$;

-- People of some units whose names have some words with letters swapped, or else are most like them, the likest first; the latter
-- where the server has pg_trgm. What is much less like them than the likest is left out.
create function people_alike(everywhere boolean, units bigint[], words text[], most bigint) returns bigint[]
language plpgsql stable set search_path = public, pg_temp as $$
declare
  threshold constant text := current_setting('pg_trgm.word_similarity_threshold', true);
  found_ids bigint[];
begin
  found_ids := array(
    select p.person_id
    from person p
    where folded(p.first_name || ' ' || p.last_name || ' ' || p.external_id) like any (swapped(words[1]))
      and folded(p.first_name || ' ' || p.last_name || ' ' || p.external_id) like any (swapped(coalesce(words[2], words[1])))
      and folded(p.first_name || ' ' || p.last_name || ' ' || p.external_id) like any (swapped(coalesce(words[3], words[1])))
      and (everywhere or p.unit_id = any (units)) and p.erased_at is null
    order by p.last_name, p.first_name, p.person_id
    limit most
  );
  if cardinality(found_ids) > 0 then
    return found_ids;
  end if;
  if not exists (select from pg_operator where oprname = '<%' and pg_operator_is_visible(oid)) then
    return '{}';
  end if;
  perform set_config('pg_trgm.word_similarity_threshold', '0.3', true); -- one letter of six that is wrong
  found_ids := array(
    select s.person_id
    from (
      select m.person_id, m.likeness, max(m.likeness) over () as likest
      from (
        select
          p.person_id,
          (select min(word_similarity(w, folded(p.first_name || ' ' || p.last_name || ' ' || p.external_id))) from unnest(words) w)
            as likeness
        from person p
        where words[1] <% folded(p.first_name || ' ' || p.last_name || ' ' || p.external_id)
          and coalesce(words[2], words[1]) <% folded(p.first_name || ' ' || p.last_name || ' ' || p.external_id)
          and coalesce(words[3], words[1]) <% folded(p.first_name || ' ' || p.last_name || ' ' || p.external_id)
          and (everywhere or p.unit_id = any (units)) and p.erased_at is null
      ) m
    ) s
    where s.likeness > s.likest - 0.15
    order by s.likeness desc, s.person_id
    limit most
  );
  perform set_config('pg_trgm.word_similarity_threshold', coalesce(threshold, '0.6'), true);
  return found_ids;
end $$;

-- Members who match a search, in some units: with every word, of at most three, in their name or number; with this very number; with
-- one of these addresses or of two parts of one, as far as addresses may be seen; a part in digits is of a phone number. Each by an
-- index of its own. Where nobody matches, and the search forgives, those whose names are most like the words: a letter wrong,
-- missing, or in another's place. Whoever calls it says in which units: operators by
-- muster_worker, and find_people below.
create function people_matching(
  everywhere boolean, units bigint[], contacts_everywhere boolean, contact_units bigint[],
  words text[], forgiving boolean, number text, whole_addresses text[], address_parts text[], most bigint
) returns table (person_id bigint, external_id text, name text, unit text, left_at timestamptz, addresses text[])
language plpgsql stable set search_path = public, pg_temp as $$
#variable_conflict use_column
declare
  -- addresses are searched of people who are seen themselves: one condition, as the planner would take two for independent
  contacts constant bigint[] := case
    when everywhere then contact_units
    when contacts_everywhere then units
    else array(select unnest(units) intersect select unnest(contact_units))
  end;
  patterns constant text[] := array(select coalesce(containing(words[n]), '%') from generate_series(1, 3) as n order by n);
  address_patterns constant text[] := array(
    select case when part ~ '^[0-9]+$' then '+' else '' end || containing(part)
    from unnest(address_parts) with ordinality as given (part, n) order by n
  );
  hits bigint[];
  alike boolean := false;
begin
  -- planned anew each time: whether the index of names or that of units is the shorter way depends on the words and the scope
  execute $query$
    select array(
      select p.person_id from person p
      where folded(p.first_name || ' ' || p.last_name || ' ' || p.external_id) like ($5)[1]
        and folded(p.first_name || ' ' || p.last_name || ' ' || p.external_id) like ($5)[2]
        and folded(p.first_name || ' ' || p.last_name || ' ' || p.external_id) like ($5)[3]
        and ($1 or p.unit_id = any ($2)) and p.erased_at is null
      union
      select p.person_id from person p
      where p.external_id = $6 and ($1 or p.unit_id = any ($2)) and p.erased_at is null
      union
      select p.person_id from address a join person p using (person_id)
      where a.address = any ($7) and ($3 or p.unit_id = any ($4)) and p.erased_at is null
      union
      select p.person_id from address a join person p using (person_id)
      where a.address like ($8)[1] and ($3 or p.unit_id = any ($4)) and p.erased_at is null
      union
      select p.person_id from address a join person p using (person_id)
      where a.address like ($8)[2] and ($3 or p.unit_id = any ($4)) and p.erased_at is null
    )
  $query$ into hits
  using everywhere, units, everywhere and contacts_everywhere, contacts, patterns, number, whole_addresses, address_patterns;
  if forgiving and cardinality(hits) = 0 and cardinality(words) > 0 then
    hits := people_alike(everywhere, units, words, most);
    alike := true;
  end if;
  return query
  select
    p.person_id, p.external_id, trim(p.first_name || ' ' || p.last_name), coalesce(u.name, ''), p.left_at,
    case when contacts_everywhere or p.unit_id = any (contact_units) then array(
      select a.address from address a where a.person_id = p.person_id order by a.channel desc, a.rank, a.address_id
    ) else '{}' end
  from person p
  left join unit u using (unit_id)
  where p.person_id = any (hits)
  order by p.external_id <> number, case when alike then array_position(hits, p.person_id) end, p.last_name, p.first_name, p.person_id
  limit most;
end $$;

-- The search of staff: by the index, which no query under a policy can use, as `like` might tell of rows that it does not return.
-- So it has its owner's rights, and the scope inside: what it finds is what its caller may see.
create function find_people(
  words text[], forgiving boolean, number text, whole_addresses text[], address_parts text[], most bigint
) returns table (person_id bigint, external_id text, name text, unit text, left_at timestamptz, addresses text[])
language plpgsql stable security definer set search_path = public, pg_temp as $$
declare
  scope constant text[] := signed_scope();
begin
  return query
  select * from people_matching(
    coalesce(scope[1] = 'everywhere', false),
    coalesce(string_to_array(nullif(scope[1], 'everywhere'), ',')::bigint[], '{}'),
    coalesce(scope[2] = 'everywhere', false),
    coalesce(string_to_array(nullif(scope[2], 'everywhere'), ',')::bigint[], '{}'),
    words, forgiving, number, whole_addresses, address_parts, most
  );
end $$;
grant execute on function find_people to muster_staff, muster_staff_all;

-- migrate:down
