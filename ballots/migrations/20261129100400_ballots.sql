-- migrate:up

create table ballot (
  ballot_id          bigint generated always as identity primary key,
  name               text        not null unique, -- what commands and files call it: pay-2026
  title              text        not null,
  organisation       text        not null default '',
  opens_at           timestamptz not null,
  closes_at          timestamptz not null,
  time_zone          text        not null default 'Europe/London', -- of its dates, in files and on pages
  last_posting_at    timestamptz,
  replacement_by     timestamptz,                        -- last moment to ask for another ballot paper
  threshold          numeric     not null check (threshold > 0 and threshold <= 1), -- turnout, as data: the law changes
  disaggregated      boolean     not null default false, -- each constituency must pass by itself
  constituency       text        not null default 'branch', -- the kind of unit a disaggregated ballot counts by
  over_report        numeric     not null default 0.13,  -- how much self-report over-states turnout; see ballots/score.py
  attributes         jsonb       not null default '{}',  -- that electors must have, beside the units, as an audience's filter
  goal_id            bigint      not null unique references goal,
  reach_due_at       timestamptz not null default '-infinity', -- when reach is to be counted next, by one worker for all
  reach_final_at     timestamptz,                        -- the ballot is over, and reach is not counted any more from here on
  contacted_final_at timestamptz,                        -- nor are the contacted: their messages have begun to be archived
  created_at         timestamptz not null default now(),
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

-- Ledger of claims: what somebody said about one member and one ballot. Append-only: a correction is another claim.
create table claim (
  claim_id   bigint generated always as identity primary key,
  ballot_id  bigint      not null references ballot,
  person_id  bigint      not null references person,
  kind       text        not null check (
    kind in ('voted', 'will_vote', 'not_voted', 'no_ballot_paper', 'replacement_requested', 'refused', 'retracted')
  ),
  source     text        not null check (
    source in ('link', 'sms_reply', 'email_reply', 'rep', 'phone_bank', 'import', 'scrutineer')
  ),
  recorder   text        not null, -- who wrote it down: member, or a member of staff
  confidence real        not null check (confidence > 0 and confidence <= 1),
  at         timestamptz not null default now(),
  message_id bigint,
  retracts   bigint      unique references claim,
  check ((kind = 'retracted') = (retracts is not null))
);
create index claim_person on claim (ballot_id, person_id, claim_id);
create trigger claim_append_only before update on claim for each row execute function only_erasure('recorder');
create trigger claim_stays before delete on claim for each statement execute function refuse_change();

-- Present status of each member: the latest unretracted claim by strength.
create table claim_status (
  ballot_id bigint not null references ballot,
  person_id bigint not null references person,
  claim_id  bigint not null references claim,
  kind      text   not null,
  source    text   not null,
  primary key (ballot_id, person_id)
);
create index claim_status_kind on claim_status (ballot_id, kind, source);

-- Counts by unit, as count changes that are added and compacted later, so that confirmations never wait for each other.
create table count_change (
  count_change_id bigint generated always as identity primary key,
  ballot_id       bigint not null references ballot,
  unit_id         bigint references unit, -- null: electors without a unit
  measure         text   not null, -- electorate, reachable, reachable_sms, reachable_email, contacted, or a claim's kind
  n               bigint not null
);
create index count_change_ballot on count_change (ballot_id, unit_id, measure) include (n);

-- The change feed: claims in the order they were committed. `feed_backlog` is what the next reader has to number.
create table feed_backlog (
  claim_id bigint primary key references claim
);
create table turnout_change (
  seq       bigint generated always as identity primary key,
  ballot_id bigint not null references ballot,
  claim_id  bigint not null unique references claim
);
create index turnout_change_ballot on turnout_change (ballot_id, seq);

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

-- Claims as lines of a member's history.
create view claim_said as
select
  c.at, case when c.retracts is null then 'claim' else 'retraction' end as kind, c.message_id, c.source,
  coalesce(undone.kind, c.kind) as label, b.name as subject_name, nullif(c.recorder, 'member') as note,
  c.person_id, c.ballot_id, undone.message_id as undone_message_id
from ballot b
join claim c on c.ballot_id = b.ballot_id
left join claim undone on undone.claim_id = c.retracts;

-- migrate:down
