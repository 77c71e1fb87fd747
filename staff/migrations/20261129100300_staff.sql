-- migrate:up

create table staff (
  staff_id    bigint generated always as identity primary key,
  email       text        not null unique,
  name        text        not null,
  phone       text,                 -- for sign-in links by text; E.164
  created_at  timestamptz not null default now(),
  disabled_at timestamptz
);

-- A sign-in link works once, briefly. Only digests are stored: of the token, and of its pieces, by which it is recognised where
-- somebody sends it back.
create table sign_in (
  digest     bytea       primary key,
  pieces     bytea[]     not null,
  staff_id   bigint      not null references staff,
  expires_at timestamptz not null,
  used_at    timestamptz
);
create index sign_in_unused on sign_in (expires_at) where used_at is null; -- asked for whatever comes in that may hold a token

-- A session's token changes every hour. All the tokens that followed from one sign-in are a family: it began once, ends
-- together, and of each token there is one successor.
create table staff_session (
  digest     bytea       primary key,
  staff_id   bigint      not null references staff,
  family     uuid        not null default gen_random_uuid(),
  began_at   timestamptz not null default now(),
  created_at timestamptz not null default now(),
  seen_at    timestamptz not null default now(),
  expires_at timestamptz not null,
  retired_at timestamptz
);
create index staff_session_family on staff_session (family);
create index staff_session_staff on staff_session (staff_id);

-- migrate:down
