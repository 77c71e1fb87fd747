-- migrate:up

-- What happened, for those who asked to be told: numbered by one reader at a time in the order it was found in the ledgers,
-- so that the order of the numbers is the order of commits. It holds ids; numbers and words are looked up when they are sent.
create table webhook_event (
  seq        bigint generated always as identity primary key,
  type       text        not null, -- claim.voted, message.delivered …: webhooks/subscriptions/event_types.py
  at         timestamptz not null, -- when it happened
  data       jsonb       not null,
  ref        bigint,               -- the message, reply or suppression it speaks of: where numbers and words are looked up
  noticed_at timestamptz not null default now()
);
create index webhook_event_type on webhook_event (type, seq);
create index webhook_event_noticed on webhook_event using brin (noticed_at);

-- How far each ledger has been read.
create table webhook_ledger (
  ledger   text   primary key,
  position bigint not null
);

-- What was told last of things that have a state and no ledger: ballots by phase and by threshold, alerts while open.
create table webhook_told (
  kind text   not null check (kind in ('phase', 'threshold', 'alert')),
  id   bigint not null,
  told text   not null,
  primary key (kind, id)
);

-- Who is told, of what, and how far. Its secrets are sealed with MUSTER_SECRET_KEY.
create table webhook_subscription (
  subscription_id bigint generated always as identity primary key,
  name            text        not null unique,
  url             text        not null,
  events          text[]      not null check (cardinality(events) > 0), -- types, or groups of them: claim.*
  include         text[]      not null default '{}' check (include <@ array['addresses', 'texts']),
  state           text        not null default 'active' check (state in ('active', 'paused', 'gone')),
  paused_reason   text,
  secret          bytea       not null,
  old_secret      bytea,
  old_until       timestamptz,                    -- until then both sign
  cursor          bigint      not null default 0, -- every event up to here has been dealt with
  attempts        smallint    not null default 0, -- of the event after it
  failing_since   timestamptz,
  next_try_at     timestamptz not null default now(),
  lease           uuid,                           -- the worker that delivers; by the server's clock until lease_until
  lease_until     timestamptz,
  created_at      timestamptz not null default now(),
  created_by      text        not null,
  delivered_at    timestamptz,
  check ((old_secret is null) = (old_until is null))
);

-- Every try and what came of it.
create table webhook_delivery (
  delivery_id     bigint generated always as identity primary key,
  subscription_id bigint      not null references webhook_subscription on delete cascade,
  seq             bigint,                         -- null: a test
  webhook_id      text        not null,
  type            text        not null,
  reason          text        not null check (reason in ('stream', 'resend', 'test')),
  attempt         smallint    not null,
  at              timestamptz not null,
  took            real        not null,           -- seconds
  status          smallint,                       -- HTTP; null: no answer
  problem         text,                           -- null: delivered
  answer          text        not null default '' -- the beginning of what the receiver said
);
create index webhook_delivery_subscription on webhook_delivery (subscription_id, delivery_id);
create index webhook_delivery_at on webhook_delivery using brin (at);

-- Events of messages are now also read in the order of their ids. They are written in it: a thousandth of the size of an
-- index of each finds them, and writing costs next to nothing more. Writes wait while it is built; nothing is sent while
-- `muster migrate` runs.
-- squawk-ignore require-concurrent-index-creation
create index message_event_order on message_event using brin (event_id) with (pages_per_range = 32, autosummarize = on);

-- migrate:down
