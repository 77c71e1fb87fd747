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
create view person_facts as
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
create view template_variables as
select
  person_id,
  time_zone,
  (select coalesce(jsonb_object_agg(name, ''), '{}') from attribute) || attributes || jsonb_build_object(
    'first_name', first_name, 'last_name', last_name, 'full_name', full_name, 'member_id', member_id,
    'language', language, 'time_zone', time_zone, 'unit', unit, 'branch', branch, 'workplace', workplace, 'region', region,
    'letter', '' -- a launch knows who needs one
  ) as variables
from person_facts;

grant execute on function folded to public;

-- A membership number without what spreadsheets and people change in it: zeros at its beginning, and case.
create function number_key(external_id text) returns text language sql immutable strict parallel safe as $$
  select lower(ltrim(external_id, '0'))
$$;
grant execute on function number_key to public;

-- The path of a unit by the ids of itself and all above it, from the top down: 'North / Leeds'; null for none.
create function unit_path(lineage bigint[], separator text default ' / ') returns text
language sql stable parallel safe as $$
  select string_agg(u.name, separator order by step.n)
  from unnest(lineage) with ordinality as step (unit_id, n) join unit u on u.unit_id = step.unit_id
$$;
grant execute on function unit_path to public;

-- migrate:down
