-- migrate:up

-- The organisation as a tree: region, branch, workplace …
create table unit (
  unit_id    bigint generated always as identity primary key,
  parent_id  bigint      references unit,
  kind       text        not null, -- region, branch, workplace: the column it came from
  name       text        not null,
  lineage    bigint[]    not null, -- ids from the root down to this unit itself
  created_at timestamptz not null default now()
);
create unique index unit_name on unit (coalesce(parent_id, 0), kind, lower(name));
create index unit_lineage on unit using gin (lineage);
grant select on unit to muster_staff, muster_staff_all;

-- The path of a unit by the ids of itself and all above it, from the top down: 'North / Leeds'; null for none.
create function unit_path(lineage bigint[], separator text default ' / ') returns text
language sql stable parallel safe as $$
  select string_agg(u.name, separator order by step.n)
  from unnest(lineage) with ordinality as step (unit_id, n) join unit u on u.unit_id = step.unit_id
$$;

-- Somebody who has left is a member no longer: since when, and since when every electorate and audience says so. Somebody who
-- was erased has a row without a name, so that ledgers and counts stay what they were.
create table person (
  person_id     bigint generated always as identity primary key,
  external_id   text        not null unique, -- the membership number
  first_name    text        not null default '',
  last_name     text        not null default '',
  unit_id       bigint      references unit,
  language      text        not null default 'en',
  time_zone     text        not null default 'Europe/London',
  attributes    jsonb       not null default '{}', -- text values by normalised column name
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now(),
  left_at       timestamptz,                 -- the first moment when they are no member; may be to come
  struck_off_at timestamptz,                 -- from here on nobody writes to them and no new electorate has them
  erased_at     timestamptz
);
create index person_unit on person (unit_id);
create index person_attributes on person using gin (attributes jsonb_path_ops);
create index person_leaving on person (left_at) where left_at is not null and struck_off_at is null;
create index person_erased on person (erased_at) where erased_at is not null;

-- Somebody without a unit is seen with the whole organisation only. Attributes are for no login of staff to read: a member file may
-- have put a number or a mailbox there.
alter table person enable row level security;
create policy worker on person to muster_worker using (true) with check (true);
create policy staff on person for select to muster_staff using (unit_id = any ((select scope_units())::bigint[]));
create policy staff_all on person for select to muster_staff_all using ((select scope_is_everywhere()));
grant select (
  person_id, external_id, first_name, last_name, unit_id, language, time_zone, created_at, updated_at, left_at, struck_off_at, erased_at
) on person to muster_staff, muster_staff_all;

-- A person is erased by the owner's function finish_erasure alone, and stays so, without a name: otherwise anybody could be for
-- a moment, to have their rows emptied. Nobody takes another's id.
create function only_erased_once() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  if tg_op <> 'INSERT' and old.erased_at is not null then
    raise exception 'person % was erased; that cannot be undone', old.person_id;
  end if;
  if tg_op = 'UPDATE' and new.person_id <> old.person_id then
    raise exception 'the id of person % cannot be changed', old.person_id;
  end if;
  if current_user <> (select pg_get_userbyid(c.relowner) from pg_class c where c.oid = tg_relid) then
    raise exception 'table person: only a function of the database may do this';
  end if;
  return new;
end $$;
create trigger person_stays_erased
before update of person_id, external_id, first_name, last_name, erased_at on person for each row
  when (
    new.person_id <> old.person_id
    or new.erased_at is distinct from old.erased_at
    or old.erased_at is not null
      and (new.external_id, new.first_name, new.last_name) is distinct from (old.external_id, old.first_name, old.last_name)
  )
  execute function only_erased_once();
create trigger person_begins_unerased before insert on person for each row
  when (new.erased_at is not null) execute function only_erased_once();
create trigger person_remains before delete on person for each row
  when (old.erased_at is not null) execute function only_erased_once();

-- Attributes that exist: a template or filter that names another is refused before anything is sent.
create table attribute (
  name       text        primary key check (name ~ '^[a-z][a-z0-9_]*$'),
  label      text        not null, -- the header as it stood in the file
  created_at timestamptz not null default now()
);
grant select on attribute to muster_staff, muster_staff_all;

create table address (
  address_id bigint generated always as identity primary key,
  person_id  bigint      not null references person on delete cascade,
  channel    text        not null check (channel in ('sms', 'email')),
  address    text        not null, -- E.164, or the normalised mailbox
  rank       smallint    not null default 0, -- lower is tried first
  created_at timestamptz not null default now(),
  unique (person_id, channel, address)
);
create index address_lookup on address (channel, address);

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

-- A name as people type it: without case and accents, so that "sian" finds Siân.
create function folded(written text) returns text language sql immutable parallel safe strict as $$
  select lower(regexp_replace(normalize(written, NFD), '[\u0300-\u036f]', '', 'g'))
$$;

-- Members are found by any part of a name, a number or a mailbox, where the server has pg_trgm.
do $$
begin
  if exists (select from pg_opclass where opcname = 'gin_trgm_ops' and pg_opclass_is_visible(oid)) then
    create index person_search on person using gin (folded(first_name || ' ' || last_name || ' ' || external_id) gin_trgm_ops);
    create index address_search on address using gin (address gin_trgm_ops);
  end if;
end $$;

-- A membership number without what spreadsheets and people change in it: zeros at its beginning, and case.
create function number_key(external_id text) returns text language sql immutable strict parallel safe as $$
  select lower(ltrim(external_id, '0'))
$$;

-- Imports of member files, so that "where did this come from?" has an answer.
create table member_import (
  import_id  bigint generated always as identity primary key,
  file_name  text        not null,
  sha256     text        not null,
  actor      text        not null,
  started_at timestamptz not null default now(),
  created    integer     not null,
  updated    integer     not null,
  unchanged  integer     not null,
  rejected   integer     not null
);

-- Rows of a member file between being read and being merged, within one transaction; empty at any other time.
-- A null means that the file has no such column, so that what is known stays.
create unlogged table staged_person (
  line        integer not null, -- where the row begins in the file
  external_id text    not null,
  first_name  text,
  last_name   text,
  region      text    not null default '',
  branch      text    not null default '',
  workplace   text    not null default '',
  language    text,
  time_zone   text,
  attributes  jsonb   not null,
  phones      text[],           -- in order of preference
  emails      text[],
  kept        text[]  not null default '{}', -- what of the row stays, as its cells could not be read (#N/A, a formula without a
                                             -- result): `unit`, `phone`, `email`, `attributes.<name>`
  person_id   bigint,           -- who it is, where we know them
  changed     boolean not null default false
);
create unlogged table staged_unit (
  region    text    not null,
  branch    text    not null,
  workplace text    not null,
  unit_id   bigint,
  known     boolean not null,   -- false: several units have that name, and nothing says which
  primary key (region, branch, workplace)
);

-- Empties both, which takes their owner.
create function clear_staging() returns void language sql security definer set search_path = public, pg_temp as $$
  truncate staged_person, staged_unit;
$$;

-- Variables about each person for templates, one a column; "" where there is nothing. A launch takes what its template uses, and
-- whether anybody may still write to them: its page may have been decided just before they went.
create view person_facts with (security_invoker = true) as
select
  p.person_id, p.time_zone, p.attributes, p.first_name, p.last_name,
  trim(p.first_name || ' ' || p.last_name) as full_name,
  p.external_id as member_id,
  p.language,
  coalesce(place.unit, '') as unit,
  coalesce(place.branch, '') as branch,
  coalesce(place.workplace, '') as workplace,
  coalesce(place.region, '') as region,
  p.struck_off_at
from person p
left join (
  select
    u.unit_id,
    max(u.name) as unit,
    max(above.name) filter (where above.kind = 'branch') as branch,
    max(above.name) filter (where above.kind = 'workplace') as workplace,
    max(above.name) filter (where above.kind = 'region') as region
  from unit u
  cross join lateral unnest(u.lineage) as step (unit_id)
  join unit above on above.unit_id = step.unit_id
  group by u.unit_id
) place using (unit_id);

-- The same in one document, all as text. Constants and links come later.
create view template_variables with (security_invoker = true) as
select
  person_id,
  time_zone,
  (select coalesce(jsonb_object_agg(name, ''), '{}') from attribute) || attributes || jsonb_build_object(
    'first_name', first_name, 'last_name', last_name, 'full_name', full_name, 'member_id', member_id,
    'language', language, 'time_zone', time_zone, 'unit', unit, 'branch', branch, 'workplace', workplace, 'region', region,
    'letter', '' -- a launch knows who needs one
  ) as variables
from person_facts;

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
-- missing, or in another's place. Whoever calls it says in which units: operators by muster_worker, and find_people below.
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

grant execute on function folded, number_key, unit_path to public, muster_staff, muster_staff_all;

-- migrate:down
