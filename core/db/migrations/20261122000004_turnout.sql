-- migrate:up

-- What somebody said about one member and one ballot. Append-only: a correction is another claim.
create table claim (
  claim_id   bigint generated always as identity primary key,
  ballot_id  bigint      not null references ballot,
  person_id  bigint      not null references person,
  kind       text        not null check (kind in ('voted', 'will_vote', 'not_voted', 'no_ballot_paper', 'replacement_requested', 'refused', 'retracted')),
  source     text        not null check (source in ('link', 'sms_reply', 'email_reply', 'rep', 'phone_bank', 'import', 'scrutineer')),
  recorder   text        not null, -- who wrote it down: member, or a member of staff
  confidence real        not null check (confidence > 0 and confidence <= 1),
  at         timestamptz not null default now(),
  message_id bigint,
  retracts   bigint      unique references claim,
  check ((kind = 'retracted') = (retracts is not null))
);
create index claim_person on claim (ballot_id, person_id, claim_id);

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only: add a row that corrects, never change one', tg_table_name;
end $$;
create trigger claim_append_only before update or delete on claim for each row execute function refuse_change();
create trigger audit_append_only before update or delete on audit for each row execute function refuse_change();
create trigger suppression_event_append_only before update or delete on suppression_event for each row execute function refuse_change();

-- Where each member stands: the latest unretracted claim by strength.
create table standing (
  ballot_id bigint not null references ballot,
  person_id bigint not null references person,
  claim_id  bigint not null references claim,
  kind      text   not null,
  source    text   not null,
  primary key (ballot_id, person_id)
);
create index standing_kind on standing (ballot_id, kind, source);

-- Counts by unit, kept by adding rows and squashing them, so that confirmations never wait for each other.
create table tally (
  tally_id  bigint generated always as identity primary key,
  ballot_id bigint not null references ballot,
  unit_id   bigint references unit, -- null: electors without a unit
  measure   text   not null, -- electorate, reachable, reachable_sms, reachable_email, contacted, or a claim's kind
  n         bigint not null
);
create index tally_ballot on tally (ballot_id, unit_id, measure) include (n);

-- The change feed: claims in the order they were committed. `claim_unfed` is what the next reader has to number.
create table claim_unfed (
  claim_id bigint primary key references claim
);
create table turnout_change (
  seq       bigint generated always as identity primary key,
  ballot_id bigint not null references ballot,
  claim_id  bigint not null unique references claim
);
create index turnout_change_ballot on turnout_change (ballot_id, seq);

-- migrate:down
