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

create table person (
  person_id   bigint generated always as identity primary key,
  external_id text        not null unique, -- the membership number
  first_name  text        not null default '',
  last_name   text        not null default '',
  unit_id     bigint      references unit,
  language    text        not null default 'en',
  time_zone   text        not null default 'Europe/London',
  attributes  jsonb       not null default '{}', -- text values by normalised column name
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now()
);
create index person_unit on person (unit_id);
create index person_attributes on person using gin (attributes jsonb_path_ops);

-- Which attributes exist: a template or filter that names another is refused before anything is sent.
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

-- Every import, so that "where did this come from?" has an answer.
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

-- Where a member file waits between being read and being merged, within one transaction; empty at any other time.
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

-- Who did what. Append-only.
create table audit (
  audit_id bigint generated always as identity primary key,
  at       timestamptz not null default now(),
  actor    text        not null,
  action   text        not null,
  subject  text        not null,
  detail   jsonb       not null default '{}'
);

-- What a message template may say about each person, all as text; "" where there is nothing. Constants and links come later.
create view template_variables as
select
  p.person_id,
  p.time_zone,
  (select coalesce(jsonb_object_agg(name, ''), '{}') from attribute) || p.attributes || jsonb_build_object(
    'first_name', p.first_name,
    'last_name', p.last_name,
    'full_name', trim(p.first_name || ' ' || p.last_name),
    'member_id', p.external_id,
    'language', p.language,
    'unit', coalesce(place.unit, ''),
    'branch', coalesce(place.branch, ''),
    'workplace', coalesce(place.workplace, ''),
    'region', coalesce(place.region, '')
  ) as variables
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

-- migrate:down
