-- migrate:up

create table staff (
  staff_id   bigint generated always as identity primary key,
  email      text        not null unique,
  name       text        not null,
  created_at timestamptz not null default now(),
  disabled_at timestamptz
);

-- A sign-in link works once, briefly. Only digests are stored.
create table sign_in (
  digest     bytea       primary key,
  staff_id   bigint      not null references staff,
  expires_at timestamptz not null,
  used_at    timestamptz
);

create table staff_session (
  digest     bytea       primary key,
  staff_id   bigint      not null references staff,
  created_at timestamptz not null default now(),
  seen_at    timestamptz not null default now(),
  expires_at timestamptz not null
);

-- migrate:down
