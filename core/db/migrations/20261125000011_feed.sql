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

-- The exports that the clock asks for, one for each ballot and time.
create table turnout_export (
  ballot_id   bigint      not null references ballot,
  slot        timestamptz not null,           -- the time it was due
  tries       smallint    not null default 0,
  next_try_at timestamptz not null,
  problem     text,
  place       text,                           -- where it went
  members     integer,
  done_at     timestamptz,
  primary key (ballot_id, slot)
);

-- migrate:down
