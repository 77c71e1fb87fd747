-- migrate:up

-- Ledger of suppressions. Append-only.
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
-- Opt-outs that answered a message: a campaign counts its own.
create index suppression_event_opt_out on suppression_event (at)
  where action = 'suppress' and reason = 'opted_out' and message_id is not null;
create trigger suppression_event_append_only before update on suppression_event
  for each row execute function only_erasure('address', 'source', 'message_id');
create trigger suppression_event_stays before delete on suppression_event
  for each statement execute function refuse_change();
alter table suppression_event enable row level security;
create policy worker on suppression_event to muster_worker using (true) with check (true);
create policy staff_all on suppression_event for select to muster_staff_all using ((select scope_is_everywhere()));
grant select (event_id, purpose, action, reason, message_id, at) on suppression_event to muster_staff, muster_staff_all;

-- Suppressions in force, derived from the ledger.
create table suppression (
  channel  text        not null,
  address  text        not null,
  purpose  text        not null,
  reason   text        not null,
  since    timestamptz not null default now(),
  event_id bigint      not null references suppression_event,
  primary key (channel, address, purpose)
);

-- Suppressions of people who were erased: keyed digests (HMAC) of their addresses and membership numbers, which nobody can
-- turn back, nor try all numbers against without the key. Looked up when an address comes in, and never when a message is
-- claimed: an address that has come back is suppressed in clear from then on, and its digest goes.
create table suppression_digest (
  digest  bytea       not null,
  key     text        not null, -- fingerprint of the MUSTER_SECRET_KEY it was made with
  channel text        not null check (channel in ('sms', 'email', 'person')), -- person: of a membership number
  purpose text        not null check (purpose in ('all', 'marketing')),
  reason  text        not null,
  since   timestamptz not null,
  made_at timestamptz not null default now(),
  primary key (digest, purpose)
);

-- Rank of a suppression's reason: leaving and having been erased are ours to take back, every other reason outweighs them.
create function reason_weight(reason text) returns int language sql immutable parallel safe as $$
  select coalesce(array_position(array['left', 'erased'], reason), 3)
$$;

-- Emails that came back for a reason that may pass (a full mailbox, a server that was away), one row for each message.
-- Enough of them over days mean that nobody reads that mailbox. A delivery discounts those before it.
create table soft_bounce (
  message_id    bigint      primary key,
  address       text        not null,
  code          text        not null,
  at            timestamptz not null,
  discounted_at timestamptz
);
create index soft_bounce_address on soft_bounce (address, at) where discounted_at is null;
create index soft_bounce_at on soft_bounce (at);

-- Ledger of consents, given and withdrawn, by purpose and channel: where, in which words, and when. Append-only.
create table consent_event (
  event_id    bigint generated always as identity primary key,
  person_id   bigint      not null,
  channel     text        not null check (channel in ('sms', 'email')),
  purpose     text        not null check (purpose in ('service', 'marketing')),
  action      text        not null check (action in ('give', 'withdraw')),
  source      text        not null,            -- preferences, or where an organisation has it from: joining form 2024 …
  wording     text        not null default '', -- what they said yes or no to, word for word
  at          timestamptz not null,            -- when they said so
  recorded_at timestamptz not null default now(),
  recorder    text        not null,            -- member, or who brought it in
  message_id  bigint                           -- the message whose link they followed
);
create index consent_event_person on consent_event (person_id, event_id);
create trigger consent_event_append_only before update on consent_event
  for each row execute function only_erasure('source', 'wording', 'message_id');
create trigger consent_event_stays before delete on consent_event for each statement execute function refuse_change();

-- Consents in force: each person's latest statement by its own date, whenever we came to know it.
create table consent (
  person_id bigint      not null,
  purpose   text        not null,
  channel   text        not null,
  given     boolean     not null,
  since     timestamptz not null,
  event_id  bigint      not null references consent_event,
  primary key (person_id, purpose, channel)
);

-- Everything that stops messages to a person at an address, as things stand now; one row, all null or false where nothing does.
-- `for_person` stops them wherever they would go, `for_address` there alone; `suppressed` is the first reason of both. Marketing
-- needs their consent besides. Of two suppressions the one for all purposes is named, which the index has first. PostgreSQL
-- inlines this function into a query that joins it laterally, so that each look-up is made where its column is used: a test
-- keeps it so (tests/integration/core/test_query_plans.py).
create function stops_of(goal_id bigint, person_id bigint, channel text, address text, purpose text)
returns table (answered boolean, for_person text, for_address text, suppressed text)
language sql stable parallel safe as $$
  select
    stops_of.goal_id is not null and exists (
      select from goal_met g where g.goal_id = stops_of.goal_id and g.person_id = stops_of.person_id
    ),
    reason.of_person, coalesce(reason.of_address, reason.of_consent),
    coalesce(reason.of_address, reason.of_person, reason.of_consent)
  from (
    select
      (
        select u.reason from suppression u
        where u.channel = 'person' and u.address = stops_of.person_id::text and u.purpose in ('all', stops_of.purpose)
        order by u.purpose limit 1
      ) as of_person,
      (
        select u.reason from suppression u
        where u.channel = stops_of.channel and u.address = stops_of.address and u.purpose in ('all', stops_of.purpose)
        order by u.purpose limit 1
      ) as of_address,
      case when stops_of.purpose = 'marketing' and not exists (
        select from consent n
        where n.person_id = stops_of.person_id and n.purpose = stops_of.purpose and n.channel = stops_of.channel and n.given
      ) then 'no_consent' end as of_consent
  ) as reason
$$;

-- Why a transactional message is stopped, if anything stops it, from what stops messages there at all (`stops_of`). Two sorts go
-- through: what staff are sent about their accounts; and the confirmation of an opt-out, although that opt-out, the one it
-- confirms, stops everything else to the address.
create function stop_of_transactional(
  kind text, reference text, channel text, address text, for_person text, suppressed text
) returns text language sql stable parallel safe as $$
  select case
    when kind in ('sign_in', 'account') then null
    when kind = 'opt_out_confirmed' and suppressed = 'opted_out' and exists (
      select from suppression u
      where u.channel = stop_of_transactional.channel and u.address = stop_of_transactional.address
        and u.event_id::text = reference
    ) then for_person
    else suppressed
  end
$$;

grant execute on function reason_weight, stops_of, stop_of_transactional to public;

-- migrate:down
