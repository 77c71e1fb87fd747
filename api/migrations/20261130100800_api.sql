-- migrate:up

-- Keys by which other systems read the turnout feed. Only a digest is stored.
create table api_key (
  key_id     bigint generated always as identity primary key,
  name       text        not null unique,
  handle     text        not null unique, -- the part of a key that finds it; no secret
  digest     bytea       not null,
  scopes     text[]      not null check (cardinality(scopes) > 0),
  ballots    text[],                      -- which ballots it may read; null: all of them
  created_at timestamptz not null default now(),
  created_by text        not null,
  used_at    timestamptz,                 -- to the minute
  revoked_at timestamptz
);

-- migrate:down
