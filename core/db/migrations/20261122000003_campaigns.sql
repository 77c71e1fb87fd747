-- migrate:up

create table ballot (
  ballot_id       bigint generated always as identity primary key,
  name            text        not null unique, -- what commands and files call it: pay-2026
  title           text        not null,
  organisation    text        not null default '',
  opens_at        timestamptz not null,
  closes_at       timestamptz not null,
  time_zone       text        not null default 'Europe/London', -- what its dates are written in
  last_posting_at timestamptz,
  replacement_by  timestamptz,                 -- last moment to ask for another ballot paper
  threshold       numeric     not null check (threshold > 0 and threshold <= 1), -- turnout, as data: the law changes
  disaggregated   boolean     not null default false, -- each constituency must pass by itself
  constituency    text        not null default 'branch', -- the kind of unit a disaggregated ballot counts by
  over_report     numeric     not null default 0.13, -- how much self-report over-states turnout; see ballots/score.py
  goal_id         bigint      not null unique references goal,
  created_at      timestamptz not null default now(),
  check (opens_at < closes_at)
);

-- The units whose members may vote; none listed means everybody.
create table ballot_unit (
  ballot_id bigint not null references ballot,
  unit_id   bigint not null references unit,
  primary key (ballot_id, unit_id)
);

-- The electorate, and the unit each elector counts in; null: no unit is known, so only in the ballot as a whole.
create table elector (
  ballot_id   bigint      not null references ballot,
  person_id   bigint      not null references person,
  unit_id     bigint      references unit,
  enrolled_at timestamptz not null default now(),
  primary key (ballot_id, person_id)
);
create index elector_unit on elector (ballot_id, unit_id);
create index elector_person on elector (person_id);

create table campaign (
  campaign_id   bigint generated always as identity primary key,
  name          text        not null unique,
  title         text        not null,
  ballot_id     bigint      not null references ballot,
  state         text        not null default 'draft' check (state in ('draft', 'running', 'paused', 'cancelled', 'finished')),
  audience      jsonb       not null, -- the filter tree, see campaigns/audience.py
  spec          jsonb       not null, -- the file it was made from
  paused_reason text,
  created_by    text        not null,
  created_at    timestamptz not null default now(),
  launched_at   timestamptz,
  finished_at   timestamptz
);

-- A reply that was read, by rule or by a person; "open" ones wait for somebody.
create table reply (
  reply_id     bigint generated always as identity primary key,
  inbox_id     bigint      not null unique,
  channel      text        not null check (channel in ('sms', 'email', 'link')), -- link: a button pressed on the member's page
  address      text        not null,
  sender       text        not null, -- our number or mailbox it was sent to
  person_id    bigint      references person,
  message_id   bigint,               -- the message it answers
  text         text        not null,
  reading      text        not null,
  rule         text        not null,
  rule_version text        not null,
  claim_id     bigint,               -- the claim it became, so that a reader can take it back
  why_open     text,                 -- unclear, shared_address, unknown_sender, call_me …; null: nothing for a person to do
  state        text        not null default 'closed' check (state in ('open', 'closed')),
  received_at  timestamptz not null default now(),
  closed_at    timestamptz,
  closed_by    text
);
create index reply_open on reply (received_at) where state = 'open';
create index reply_message on reply (message_id) where channel = 'link';
create index reply_person on reply (person_id, received_at);

-- migrate:down
