-- migrate:up

-- Everything the outside said, as it said it, before anything is done with it.
create table inbox (
  inbox_id     bigint generated always as identity primary key,
  source       text        not null, -- twilio_status, twilio_inbound …
  dedupe_key   text        not null,
  subject      text        not null, -- what it is about: of one subject, one at a time and in order
  payload      jsonb       not null,
  received_at  timestamptz not null default now(),
  state        text        not null default 'new' check (state in ('new', 'done', 'parked')),
  attempts     smallint    not null default 0,
  next_try_at  timestamptz not null default now(),
  error        text,
  processed_at timestamptz,
  unique (source, dedupe_key)
);
create index inbox_new on inbox (next_try_at, inbox_id) where state = 'new';
create index inbox_subject on inbox (subject, inbox_id) where state = 'new';
create index inbox_parked on inbox (received_at) where state = 'parked';

-- Bodies that could not be read, kept a while for inspection.
create table inbox_malformed (
  malformed_id bigint generated always as identity primary key,
  source       text        not null,
  problem      text        not null,
  body         bytea       not null, -- capped
  received_at  timestamptz not null default now(),
  expires_at   timestamptz not null
);
create index inbox_malformed_expiry on inbox_malformed (expires_at);

-- A look at a member's page. An answer must come from one, once; looking changes nothing else.
create table link_visit (
  visit_id    bigint generated always as identity primary key,
  message_id  bigint      not null,
  action      text        not null,
  stage       smallint    not null default 1, -- 2: the second, plain question
  nonce       bytea       not null unique,    -- digest
  agent       text        not null,           -- a class: browser, scanner, preview, tool, none
  signals     text[]      not null default '{}',
  at          timestamptz not null default now(),
  answered_at timestamptz,
  answer      text,
  asked       text                           -- at stage 2: what had been pressed before
);
create index link_visit_message on link_visit (message_id, at);

-- migrate:down
