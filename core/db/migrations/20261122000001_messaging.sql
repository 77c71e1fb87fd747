-- migrate:up

-- What a series of messages is for. A person who has met the goal is never asked again; a ballot is a goal.
create table goal (
  goal_id    bigint generated always as identity primary key,
  name       text        not null,
  created_at timestamptz not null default now()
);

create table goal_met (
  goal_id   bigint      not null references goal,
  person_id bigint      not null,
  met_at    timestamptz not null default now(),
  primary key (goal_id, person_id)
);

-- Who a message comes from: a number, an alphanumeric name, a messaging service, or an email address at a relay.
create table sender (
  sender_id     bigint generated always as identity primary key,
  channel       text        not null check (channel in ('sms', 'email')),
  address       text        not null,
  display_name  text        not null default '',
  pace          numeric     check (pace > 0), -- segments (SMS) or mails (email) a second; null: no limit of its own
  paused_reason text,                         -- set: nothing leaves by this sender until a person has looked
  watched_from  timestamptz not null default now(), -- refusals since then count towards pausing it
  created_at    timestamptz not null default now(),
  unique (channel, address)
);

-- One step of a campaign as delivery sees it: what to say, from whom, under which limits.
create table step (
  step_id         bigint generated always as identity primary key,
  campaign_id     bigint      not null,
  position        smallint    not null,
  template        text        not null,
  content         jsonb       not null,             -- the template's sources, as approved
  constants       jsonb       not null default '{}', -- variables that are the same for everybody (ballot, dates, organisation)
  purpose         text        not null check (purpose in ('service', 'marketing')),
  channels        text[]      not null check (channels <@ array['sms', 'email'] and cardinality(channels) > 0), -- in order of preference
  sms_sender_id   bigint      references sender,
  email_sender_id bigint      references sender,
  goal_id         bigint      references goal,
  priority        smallint    not null default 0,   -- higher goes first; transactional messages overtake bulk
  state           text        not null default 'planned'
                  check (state in ('planned', 'launching', 'running', 'paused', 'finished', 'cancelled')),
  due_at          timestamptz,                      -- an absolute start
  after           interval,                         -- or a pause after the launch of the step before
  send_before     timestamptz,                      -- later than this it is not worth sending: expired
  quiet_from      time,                             -- in the recipient's own time zone; may span midnight
  quiet_until     time,
  secret          text        not null,             -- fingerprint of the secret its link tokens are derived with
  launch_cursor   bigint      not null default 0,   -- every person_id up to here has a row
  launched_at     timestamptz,
  finished_at     timestamptz,
  created_at      timestamptz not null default now(),
  unique (campaign_id, position),
  check ((quiet_from is null) = (quiet_until is null))
);

create type message_state as enum (
  'queued', 'sending', 'ambiguous', 'accepted', 'sent', 'delivered', 'read',
  'undelivered', 'bounced', 'complained', 'failed', 'cancelled', 'suppressed', 'expired', 'skipped'
);

-- The outbox: one row per person and step, whatever became of it.
create table message (
  message_id  bigint generated always as identity primary key,
  step_id     bigint        not null references step,
  campaign_id bigint        not null,
  person_id   bigint        not null,
  channel     text          check (channel in ('sms', 'email')),
  address     text,                                -- normalised; null where the person was skipped
  sender_id   bigint        references sender,
  variables   jsonb         not null default '{}', -- snapshot: what was approved is what is sent, on every try
  time_zone   text          not null default 'Europe/London',
  state       message_state not null default 'queued',
  reason      text,                                -- a closed vocabulary, see messaging/states.py
  not_before  timestamptz   not null default now(),
  attempt     smallint      not null default 0,    -- the fencing number: an outcome counts only for the attempt that won it
  lease_until timestamptz,
  wire_at     timestamptz,                         -- set just before the wire: from here on, silence is ambiguous
  provider_id text,                                -- Twilio's SID
  segments    smallint,
  created_at  timestamptz   not null default now(),
  sent_at     timestamptz,                         -- when the provider took it
  changed_at  timestamptz   not null default now(),
  unique (step_id, person_id),
  check (address is not null or state in ('skipped', 'suppressed'))
) with (fillfactor = 80);

-- One message per address within a step: a household's phone rings once.
create unique index message_one_per_address on message (step_id, channel, address);
-- The claim: the next due rows of one step and channel.
create index message_due on message (step_id, channel, not_before, message_id) where state = 'queued';
-- The sweep: leases that ran out.
create index message_leased on message (lease_until) where state = 'sending';
create index message_ambiguous on message (changed_at) where state = 'ambiguous';
-- Progress: counts by state without touching the table.
create index message_progress on message (step_id, state, reason) include (segments, sent_at);
-- Withdrawal, and a person's history.
create index message_person on message (person_id, step_id);
-- An inbound reply finds the latest message to its address.
create index message_address on message (channel, address, sent_at);
-- A receipt finds its message.
create unique index message_provider on message (provider_id) where provider_id is not null;

-- Everything that ever happened to a message, in words a person can follow. Append-only.
create table message_event (
  event_id   bigint generated always as identity primary key,
  message_id bigint        not null,
  at         timestamptz   not null default now(),
  state      message_state,       -- the state it moved to; null where it changed nothing
  source     text          not null, -- launch, worker, sweep, twilio, smtp, link, reply, staff …
  code       text,                -- a reason, a provider's code, an SMTP reply
  detail     jsonb
);
create index message_event_message on message_event (message_id, event_id);

-- Tokens in members' links are derived, never stored: only their digest is.
create table link (
  digest     bytea       primary key,
  message_id bigint      not null,
  action     text        not null check (action in ('confirm', 'unsubscribe')),
  created_at timestamptz not null default now(),
  revoked_at timestamptz
);
create index link_message on link (message_id);

-- Suppression is a ledger …
create table suppression_event (
  event_id   bigint generated always as identity primary key,
  channel    text        not null check (channel in ('sms', 'email', 'person')), -- 'person': address is the person_id
  address    text        not null,
  purpose    text        not null check (purpose in ('all', 'marketing')),
  action     text        not null check (action in ('suppress', 'lift')),
  reason     text        not null, -- opted_out, hard_bounced, complained, wrong_number, deceased, invalid …
  source     text        not null,
  message_id bigint,
  at         timestamptz not null default now()
);
create index suppression_event_address on suppression_event (channel, address, event_id);

-- … and this is where it stands now.
create table suppression (
  channel  text        not null,
  address  text        not null,
  purpose  text        not null,
  reason   text        not null,
  since    timestamptz not null default now(),
  event_id bigint      not null references suppression_event,
  primary key (channel, address, purpose)
);

-- What went wrong lately and what to do about it, coalesced by key; staff see it until it is resolved.
create table alert (
  alert_id    bigint generated always as identity primary key,
  key         text        not null,
  severity    text        not null check (severity in ('notice', 'warning', 'error')),
  title       text        not null,
  remedy      text        not null,
  detail      jsonb       not null default '{}',
  times       bigint      not null default 1,
  first_at    timestamptz not null default now(),
  last_at     timestamptz not null default now(),
  resolved_at timestamptz
);
create unique index alert_open on alert (key) where resolved_at is null;

-- migrate:down
