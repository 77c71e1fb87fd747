-- migrate:up

-- Goals of messages, such as a vote. A person who has met a goal gets no more messages for it.
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

-- Senders that messages come from: a number, an alphanumeric name, a messaging service, or an email address at a relay.
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

-- Workers that send, with their heartbeats. The messages that one has claimed are its own until it is declared gone.
create table dispatcher (
  dispatcher_id   bigint generated always as identity primary key,
  name         text        not null,
  entered_at   timestamptz not null default now(),
  until        timestamptz not null,               -- from then on, without another heartbeat, others may declare it gone
  steady_since timestamptz not null default now(), -- no break in its heartbeat since; after a whole lease it may declare others gone
  gone_at      timestamptz,
  lost         boolean     not null default false  -- it was declared gone, and did not leave in order
);
create index dispatcher_until on dispatcher (until) where gone_at is null;

-- Steps of campaigns, for delivery: what to say, from which sender, when, under which limits.
create table step (
  step_id         bigint generated always as identity primary key,
  campaign_id     bigint      not null,
  position        smallint    not null,
  template        text        not null,
  content         jsonb       not null,             -- the template's sources, as approved
  constants       jsonb       not null default '{}', -- variables that are the same for everybody (an organisation, dates …)
  purpose         text        not null check (purpose in ('service', 'marketing')),
  channels        text[]      not null              -- in order of preference
                  check (channels <@ array['sms', 'email'] and cardinality(channels) > 0),
  sms_sender_id   bigint      references sender,
  email_sender_id bigint      references sender,
  goal_id         bigint      references goal,
  priority        smallint    not null default 0,   -- higher goes first; transactional messages overtake bulk
  state           text        not null default 'planned'
                  check (state in ('planned', 'launching', 'running', 'paused', 'finished', 'cancelled')),
  reopens_as      text        default 'running',    -- when messages come back to a finished one: paused where its campaign is;
                                                    -- null: its campaign was cancelled
  due_at          timestamptz,                      -- an absolute start
  after           interval,                         -- or a pause after the launch of the step before
  dated           text        check (dated in ('before', 'after')), -- each message is due before or after a date of its
                                                    -- person (message.date_at), and people may come until send_before
  send_after      timestamptz,                      -- nothing leaves before
  send_before     timestamptz,                      -- later than this it is not worth sending: expired
  quiet_from      time,                             -- in the recipient's own time zone; may span midnight
  quiet_until     time,
  quiet_channels  text[],                           -- whose hours these are; null: every channel of the step
  window_zone     text,                             -- whose clock the window goes by; null: the recipient's own
  window_days     smallint[],                       -- 1 is Monday; null: every day
  window_from     time,                             -- within one day; null: all day
  window_until    time,
  frequency_caps  jsonb,                            -- null: the organisation's alone; []: none; others: beside those
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

-- Whether a message counts as received: a provider took it, and nobody has reported since that it could not be delivered.
create function is_received(state message_state) returns boolean language sql immutable parallel safe as $$
  select state in ('accepted', 'sent', 'delivered', 'read', 'complained')
$$;

-- The outbox: one row per person and step, whatever became of it; and one for each transactional message, which has no step
-- (see the table of that name) and may go to an address that nobody is known to have. No foreign keys to steps and senders: a
-- launch writes rows of one step and two senders by the hundred thousand, and looked each of them up again, a third of its
-- time. Steps and senders that have messages stay, which is looked at when one is deleted.
create table message (
  message_id  bigint generated always as identity primary key,
  step_id     bigint,                              -- null: a transactional message
  campaign_id bigint,
  person_id   bigint,                              -- null: only an address is known
  channel     text          check (channel in ('sms', 'email')),
  address     text,                                -- normalised; null where the person was skipped
  sender_id   bigint,
  variables   jsonb         not null default '{}', -- snapshot: what was approved is what is sent, on every try
  time_zone   text          not null default 'Europe/London',
  state       message_state not null default 'queued',
  reason      text,                                -- a closed vocabulary, see messaging/states.py
  not_before  timestamptz   not null default now(),
  date_at     timestamptz,                         -- of a dated step: the date of the person that it is about
  attempt     smallint      not null default 0,    -- the fencing number: an outcome counts only for the attempt that won it
  apart       boolean       not null default false, -- of a dated step: each person gets their own, at an address that others share too
  dispatcher_id  bigint,                              -- the worker that has claimed it
  wire_at     timestamptz,                         -- set just before the wire: from here on, silence is ambiguous
  provider    text,                                -- who has it, set with wire_at: whatever happens to its worker, they are asked
  provider_id text,                                -- Twilio's SID
  sent_from   text,                                -- of texts, the number they left from, where the provider has one of its own
  segments    smallint,
  created_at  timestamptz   not null default now(),
  sent_at     timestamptz,                         -- when the provider took it
  changed_at  timestamptz   not null default now(),
  check (address is not null or state in ('skipped', 'suppressed')),
  check (step_id is not null and campaign_id is not null and person_id is not null
         or step_id is null and campaign_id is null and sender_id is not null)
) with (fillfactor = 80);

-- Whatever is done to a message is written into each of its indexes, so those that are busy are in the order of steps: their
-- busy part is as small as one step. In the order of people or addresses, with ten million messages, nearly every entry lay
-- on a page of its own, and claims took twice as long. See messages_of and messages_to.

-- Those of steps leave transactional messages out, and these have their own, which are small or empty: so neither are in the
-- way of the others, and the planner, whose statistics may not know any transactional message, takes the right one.

-- One message per person within a step, and one per address: a household's phone rings once. Where each is about a date of
-- their own, one for each person there.
create unique index message_step_id_person_id_key on message (step_id, person_id) where step_id is not null;
create unique index message_one_per_address on message (step_id, channel, address, (case when apart then person_id else 0 end))
  where step_id is not null;
-- The claim: the next due rows of one step and channel.
create index message_due on message (step_id, channel, not_before, message_id)
  where state = 'queued' and step_id is not null;
-- Transactional messages that wait, by sender; empty while there are none, so that looking for them costs bulk next to nothing.
create index message_transactional_due on message (sender_id, not_before, message_id)
  where step_id is null and state = 'queued';
create index message_transactional_person on message (person_id) where step_id is null;
create index message_transactional_address on message (channel, address) where step_id is null;
-- Those that were not delivered: a reply whose answer is among them waits for staff again.
create index message_transactional_failed on message (message_id)
  where step_id is null and state in ('failed', 'undelivered', 'bounced', 'expired', 'suppressed', 'cancelled');
-- Messages that a lost worker had claimed. Recording an intent touches no index.
create index message_claimed on message (dispatcher_id) where state = 'sending';
create index message_ambiguous on message (changed_at) where state = 'ambiguous';
-- Progress: counts by state without touching the table.
create index message_progress on message (step_id, state, reason) include (segments, sent_at) where step_id is not null;
-- A receipt finds its message.
create unique index message_provider on message (provider_id) where provider_id is not null;
-- How a sender has fared lately, a few entries however many messages there are: with what came back as bounces too, for a
-- server that takes a mail and then refuses its sender says so in a report.
create index message_refused_or_returned on message (sender_id, changed_at)
  where state in ('failed', 'undelivered', 'bounced');
create index message_sent on message (sender_id, sent_at) where sent_at is not null;
-- Messages about a date that nobody has sent before it.
create index message_dated on message (step_id, date_at) where state = 'queued' and date_at is not null;

-- The moment from which a message is not worth sending: its step's, or its person's date where it is due before that.
create function message_deadline(send_before timestamptz, dated text, date_at timestamptz) returns timestamptz
language sql immutable parallel safe as $$
  select case when dated = 'before' then least(send_before, date_at) else send_before end
$$;

-- Transactional messages: to one person, or to an address alone, without campaign and step (codes, confirmations, answers by
-- hand). What a step says of all its messages stands here for each.
create table transactional (
  message_id  bigint      primary key,
  kind        text        not null check (kind in ('sign_in', 'opt_out_confirmed', 'auto_reply', 'staff_reply', 'test')),
  purpose     text        not null check (purpose in ('service', 'marketing')),
  reference   text,                 -- whoever asks twice under the same one gets one message
  content     jsonb,                -- subject, text and HTML, with a mask for each secret; null: erased or archived
  has_secrets boolean     not null, -- whether it has a secret: a code, a sign-in link
  concealed   bytea,                -- what the masks stand for, encrypted; until a provider has it, or nobody will
  in_reply_to text,                 -- Message-ID of the email that it answers
  thread      text,                 -- Message-IDs of that email's thread, oldest first
  send_before timestamptz,
  asked_by    text        not null,
  about       bigint,               -- the message of a campaign that its conversation began with
  check (has_secrets or concealed is null),
  check (kind <> 'opt_out_confirmed' or reference is not null or content is null) -- which opt-out it was is erased, too
);
create unique index transactional_reference on transactional (kind, reference) where reference is not null;
-- What is still to be wiped. A trigger on messages would do it, but cost each message of a campaign 7 µs, a twentieth.
create index transactional_concealed on transactional (message_id) where concealed is not null;

-- The message of a campaign that a message is about: itself, or for a transactional one that with which its conversation began.
create function conversation_of(bigint) returns bigint language sql stable parallel safe as $$
  select coalesce((select t.about from transactional t where t.message_id = $1), $1)
$$;

-- A person's messages, and those to an address, by way of the steps, of which there are a few hundred: one look for each, and
-- one for transactional messages.
create function messages_of(bigint) returns setof message language sql stable parallel safe as $$
  select m.* from step s join message m on m.step_id = s.step_id and m.person_id = $1
  union all
  select m.* from message m where m.step_id is null and m.person_id = $1
$$;

create function messages_to(text, text) returns setof message language sql stable parallel safe as $$
  select m.* from step s join message m on m.step_id = s.step_id and m.channel = $1 and m.address = $2
  union all
  select m.* from message m where m.step_id is null and m.channel = $1 and m.address = $2
$$;

-- Transactional messages to an address of which nobody knew whose it was.
create function messages_to_nobody(text, text) returns setof message language sql stable parallel safe as $$
  select m.* from message m where m.step_id is null and m.person_id is null and m.channel = $1 and m.address = $2
$$;

create function refuse_while_named() returns trigger language plpgsql set search_path = public, pg_temp as $$
declare
  named boolean;
begin
  if tg_table_name = 'step' then
    named := exists (select from message where step_id = old.step_id);
  else
    named := exists (select from message where sender_id = old.sender_id);
  end if;
  if named then
    raise foreign_key_violation using message = format('a %s that messages name cannot be deleted', tg_table_name);
  end if;
  return old;
end
$$;
create trigger step_stays before delete on step for each row execute function refuse_while_named();
create trigger sender_stays before delete on sender for each row execute function refuse_while_named();

-- No update changes whom a message was for or where it went; only the owner's function finish_erasure removes that. A message
-- of a dated step that has not left went nowhere: as long as it may wait for months, it follows its person to another address;
-- but what was erased stays so. No statement that runs for every message names these columns, so this costs sending nothing, as the
-- trigger fires after: one that fires before locks each row that any update writes. A message leaves its table in one way only,
-- into the archive: otherwise it could be made anew, for somebody else.
create function only_erasing_place() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  if tg_table_name = 'message' and (new.message_id, new.person_id) = (old.message_id, old.person_id) then
    if coalesce(new.address, '') !~ '^erased-' and coalesce(old.address, '') !~ '^erased-'
      and not exists (select from erased_message x where x.message_id = old.message_id)
      and exists (select from step s where s.step_id = old.step_id and s.dated is not null)
      and not may_have_left(old) and not is_in_hand(old) then
      return null;
    end if;
  end if;
  if coalesce(current_setting('muster.erasing', true), '') <> 'on'
    or current_user <> (select pg_get_userbyid(c.relowner) from pg_class c where c.oid = tg_relid)
    or (new.message_id, new.person_id) is distinct from (old.message_id, old.person_id) then
    raise exception 'the recipient and address of message % cannot be changed', old.message_id;
  end if;
  return null;
end $$;
create trigger message_place_stays after update of message_id, person_id, channel, address on message for each row
  when (
    (old.message_id, old.person_id, old.channel, old.address)
      is distinct from (new.message_id, new.person_id, new.channel, new.address)
  )
  execute function only_erasing_place();
create trigger message_stays before delete on message for each statement execute function only_owner();

-- Where messages to people who were erased went, as long as others have that address: whoever shares a mailbox may still
-- answer STOP, or press the button of a message that lies in it. It says nothing of the person but that they shared the
-- address; it goes with the last of those who have it when they are erased, and when its links have expired.
create table erased_place (
  message_id bigint primary key,
  channel    text   not null,
  address    text   not null
);
create index erased_place_address on erased_place (address);

-- Messages whose person was erased, written by the owner's function finish_erasure: what is recorded in their history later is
-- emptied, too. For a message to a living person, at an address that was somebody else's to have erased, that is only what came
-- after the erasure. A row goes when no more receipts come.
create table erased_message (
  message_id bigint      primary key,
  upto       bigint      not null default 0, -- highest event that stays
  erased_at  timestamptz not null default now()
);
create trigger erased_message_written before insert or update on erased_message
  for each statement execute function only_owner();

-- The tries of a message before the one it is at, where the provider had taken them: a late receipt still finds it.
create table message_try (
  message_id  bigint      not null,
  attempt     smallint    not null,
  provider_id text,
  ended_by    text        not null, -- receipt: it was not delivered; staff: its sender was mended
  code        text,
  ended_at    timestamptz not null default now(),
  primary key (message_id, attempt)
);
create unique index message_try_provider on message_try (provider_id) where provider_id is not null;

-- Everything that ever happened to a message, in words a person can follow. Append-only: it leaves its table in one way only,
-- into the archive. Events are read by their message, so the key is the one index for them.
create table message_event (
  event_id   bigint generated always as identity,
  message_id bigint        not null,
  at         timestamptz   not null default now(),
  state      message_state,       -- the state it moved to; null where it changed nothing
  source     text          not null, -- launch, worker, reconcile, twilio, smtp, link, reply, staff …
  code       text,                -- a reason, a provider's code, an SMTP reply
  detail     jsonb,
  primary key (message_id, event_id)
);
-- Events for other systems are read in the order of their ids. They are written in it: a thousandth of the size of an index
-- of each finds them, and writing costs next to nothing more.
create index message_event_order on message_event using brin (event_id) with (pages_per_range = 32, autosummarize = on);

-- Whether a message has left, or may have: something says that a provider has it, or may have it. One that was taken and put
-- back has not, nor one that a provider refused or was too busy for: no receipt comes for those.
create function may_have_left(message) returns boolean language sql stable parallel safe as $$
  select
    $1.wire_at is not null or $1.provider_id is not null
    or exists (select from message_try t where t.message_id = $1.message_id)
    or exists (
      select from message_event e
      where e.message_id = $1.message_id
        and e.state in ('ambiguous', 'accepted', 'sent', 'delivered', 'read', 'undelivered', 'bounced', 'complained')
    )
$$;

-- Whether a worker has a message in hand, by its history, which says so whatever the message says.
create function is_in_hand(message) returns boolean language sql stable parallel safe as $$
  select coalesce((
    select e.state = 'sending' from message_event e
    where e.message_id = $1.message_id and e.state is not null
    order by e.event_id desc
    limit 1
  ), false)
$$;

-- History leaves its table through the owner's function archive_messages alone. Anybody can set a setting; nobody else is the
-- table's owner.
create function only_archiving() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  if coalesce(current_setting('muster.archiving', true), '') <> 'on'
    or current_user <> (select pg_get_userbyid(c.relowner) from pg_class c where c.oid = tg_relid) then
    raise exception 'table % is append-only: its rows may only be moved into the archive', tg_table_name;
  end if;
  return null;
end $$;
create trigger message_event_append_only before update on message_event
  for each row execute function only_erasure('code', 'detail');
create trigger message_event_stays before delete on message_event for each statement execute function only_archiving();

-- The part of an event's detail that says nothing of a person: the words of providers are left out, as they quote addresses.
create function impersonal_detail(detail jsonb) returns jsonb language sql immutable parallel safe as $$
  select jsonb_object_agg(key, value)
  from jsonb_each(detail)
  where key = any (array['attempt', 'by', 'until', 'retry', 'of', 'reason', 'earlier', 'event', 'status', 'said'])
$$;

-- Tokens in members' links are derived, never stored: only their digest is.
create table link (
  digest     bytea       primary key,
  message_id bigint      not null,
  action     text        not null check (action in ('confirm', 'unsubscribe')),
  created_at timestamptz not null default now(),
  revoked_at timestamptz
);
-- Links are written in the order of their messages: a thousandth of the index finds them.
create index link_message on link using brin (message_id);

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

-- Whether a message may go at a moment: outside the quiet hours where its recipient is, and inside the step's window.
-- Local times are what the clock on the wall says at that moment, so hours that clocks skip or repeat judge themselves.
create function may_send_at(
  at timestamptz, here text, quiet_from time, quiet_until time, zone text, days smallint[], opens time, closes time
) returns boolean language sql immutable parallel safe as $$
  select
    (quiet_from is null or case when quiet_from < quiet_until
      then (at at time zone here)::time < quiet_from or (at at time zone here)::time >= quiet_until
      else (at at time zone here)::time < quiet_from and (at at time zone here)::time >= quiet_until end)
    and (days is null or extract(isodow from at at time zone coalesce(zone, here)) = any (days))
    and (opens is null
      or (at at time zone coalesce(zone, here))::time >= opens and (at at time zone coalesce(zone, here))::time < closes)
$$;

-- The first moment from `at` on when a message may go: `at` itself where that is now. Each span of open time begins with
-- the end of a quiet time or the opening of a window. Where clocks skip that time it begins when they do: PostgreSQL takes
-- 01:30 of a night without an hour from 01:00 on for 02:30, so the quarters of an hour before are looked at as well, on one
-- of which every clock changes. A week repeats itself, so what a fortnight does not have never comes.
create function sending_opens(
  at timestamptz, here text, quiet_from time, quiet_until time, starts timestamptz, zone text, days smallint[],
  opens time, closes time
) returns timestamptz language plpgsql immutable parallel safe as $$
declare
  earliest constant timestamptz := greatest(at, starts);
  ours constant text := coalesce(zone, here);
begin
  if may_send_at(earliest, here, quiet_from, quiet_until, zone, days, opens, closes) then
    return earliest;
  end if;
  return (
    select min(edge.moment)
    from generate_series(0, 14) as n
    cross join lateral (
      values
        (here, (earliest at time zone here)::date + n + quiet_until),
        (ours, (earliest at time zone ours)::date + n + coalesce(opens, '00:00'))
    ) as turn (clock, shown)
    cross join lateral (select turn.shown at time zone turn.clock as moment) as meant
    -- how far the clock is ahead of the time that was meant: more than nothing only in a skipped hour
    cross join lateral (select meant.moment at time zone turn.clock - turn.shown as skipped) as gap
    cross join lateral (
      select meant.moment
      union all
      select quarter
      from generate_series(date_trunc('hour', meant.moment - gap.skipped), meant.moment, interval '15 minutes') as quarter
      where gap.skipped > interval '0'
    ) as edge (moment)
    where edge.moment > earliest
      and may_send_at(edge.moment, here, quiet_from, quiet_until, zone, days, opens, closes)
  );
end
$$;

-- When the caps on how often a person is written to let them have another message; null: now. What arrived or is on its
-- way to them counts, whichever campaign and channel; what was refused or came back does not. A message that is on its
-- way just now is looked at again soon, for it may yet fail. Messages are found by way of the steps that may have sent
-- something in the time that counts.
create function cap_frees_at(person bigint, purpose text, at timestamptz, caps jsonb, except_message bigint)
returns timestamptz language sql stable as $$
  select max(
    case when had.messages >= cap.messages then coalesce(had.nth + cap.seconds * interval '1 second', at + interval '5 minutes') end
  )
  from jsonb_to_recordset(caps) as cap (messages int, seconds float8, purpose text)
  cross join lateral (
    select
      count(*) as messages,
      (array_agg(dispatch.left_at order by dispatch.left_at desc) filter (where dispatch.left_at is not null))[cap.messages] as nth
    from (
      select case when m.state not in ('sending', 'ambiguous') then greatest(m.sent_at, m.wire_at) end as left_at
      from step s
      join message m on m.step_id = s.step_id and m.person_id = person
      where (cap.purpose = 'all' or s.purpose = cap.purpose)
        and (s.finished_at is null or s.finished_at > at - cap.seconds * interval '1 second')
        and m.message_id is distinct from except_message
        and (is_received(m.state) or m.state in ('sending', 'ambiguous'))
    ) as dispatch
    where dispatch.left_at is null or dispatch.left_at > at - cap.seconds * interval '1 second'
  ) as had
  where cap.purpose in ('all', cap_frees_at.purpose)
$$;

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

-- Why a transactional message is stopped, if anything stops it, from what stops messages there at all (`stops_of`). Two kinds go
-- through: a sign-in link or code for staff; and the confirmation of an opt-out, although that opt-out, the one it confirms, stops
-- everything else to the address.
create function stop_of_transactional(
  kind text, reference text, channel text, address text, for_person text, suppressed text
) returns text language sql stable parallel safe as $$
  select case
    when kind = 'sign_in' then null
    when kind = 'opt_out_confirmed' and suppressed = 'opted_out' and exists (
      select from suppression u
      where u.channel = stop_of_transactional.channel and u.address = stop_of_transactional.address
        and u.event_id::text = reference
    ) then for_person
    else suppressed
  end
$$;

-- The digits that a text offered its reader, and what each means: those of the text in their language, where the template
-- has one, or else of its own. Which language that is follows messaging/content/languages.py.
create function menu_of(content jsonb, variables jsonb) returns jsonb language sql immutable parallel safe as $$
  select coalesce(
    (
      select case when kind.code = language.code then content -> 'menu'
                  else content #> array['translations', kind.code, 'menu'] end
      from string_to_array(replace(lower(variables ->> 'language'), '_', '-'), '-') as parts
      cross join lateral generate_series(cardinality(parts), 1, -1) as n
      cross join lateral (select array_to_string(parts[:n], '-') as code) as kind
      cross join lateral (select coalesce(content ->> 'language', 'en') as code) as language
      where (kind.code = language.code and jsonb_typeof(content -> 'sms') = 'string')
        or jsonb_typeof(content #> array['translations', kind.code, 'sms']) = 'string'
      order by n desc
      limit 1
    ),
    content -> 'menu'
  )
$$;

-- Messages of campaigns that are long over, kept for "why did this person get nothing?" and out of the way of those that
-- are still sent. One partition for each year steps were launched in, so that a year is forgotten by dropping two tables;
-- the key is the number of the year, because events belong to the year of their message, whenever they happened. No
-- foreign keys, and only the indexes that questions need. What a message said about its person (variables) is not kept.
create table message_archive (
  message_id  bigint        not null,
  step_id     bigint,
  campaign_id bigint,
  person_id   bigint,
  sender_id   bigint,
  created_at  timestamptz   not null,
  sent_at     timestamptz,
  changed_at  timestamptz   not null,
  state       message_state not null,
  year        smallint      not null,
  attempt     smallint      not null,
  segments    smallint,
  channel     text,
  address     text,
  reason      text,
  provider_id text,
  primary key (message_id, year),
  check (state not in ('queued', 'sending', 'ambiguous')) -- so that looking for what waits never reads the archive
) partition by list (year);
create index message_archive_person on message_archive (person_id, message_id);
create index message_archive_step on message_archive (step_id, message_id);
create trigger message_archive_place_stays after update of message_id, person_id, channel, address on message_archive
  for each row
  when (
    (old.message_id, old.person_id, old.channel, old.address)
      is distinct from (new.message_id, new.person_id, new.channel, new.address)
  )
  execute function only_erasing_place();
create trigger message_archive_filled before insert on message_archive for each row execute function only_owner();

create table message_event_archive (
  message_id bigint      not null,
  event_id   bigint      not null,
  at         timestamptz not null,
  state      message_state,
  year       smallint    not null,
  source     text        not null,
  code       text,
  detail     jsonb,
  primary key (message_id, event_id, year)
) partition by list (year);
create trigger message_event_archive_append_only before update on message_event_archive
  for each row execute function only_erasure('code', 'detail');

-- A row trigger of a partitioned table holds for each of its partitions, those to come too; one for each statement holds for
-- statements that name the table itself.
create trigger message_archive_stays before delete on message_archive for each row execute function refuse_change();
create trigger message_event_archive_stays before delete on message_event_archive
  for each row execute function refuse_change();

-- Sums of the archived messages of each step, and of transactional ones: reports add it to what is still in `message`, and stay
-- right while a step is being moved, and when its year has been forgotten.
create table step_total (
  step_id  bigint        references step,
  channel  text,
  state    message_state not null,
  reason   text,
  sent     boolean       not null, -- whether a provider took them
  n        bigint        not null,
  segments bigint        not null,
  opened   bigint        not null, -- of those, the ones whose page something that looks like a browser has looked at
  unique nulls not distinct (step_id, channel, state, reason, sent)
);

-- Outbox and archive together, for questions that are seldom asked. Nothing that sends, receives or watches may use these.
create view message_any as
select
  message_id, step_id, campaign_id, person_id, channel, address, sender_id, state, reason, attempt, provider_id, segments,
  not_before, date_at, created_at, sent_at, changed_at
from message
union all
select
  message_id, step_id, campaign_id, person_id, channel, address, sender_id, state, reason, attempt, provider_id, segments,
  null, null, created_at, sent_at, changed_at
from message_archive;

create view message_event_any as
select message_id, event_id, at, state, source, code, detail from message_event
union all
select message_id, event_id, at, state, source, code, detail from message_event_archive;

-- The person a message was for, be it in the outbox or the archive. A function, so that a query touches the archive only when
-- it has to.
create function person_of_message(wanted bigint) returns bigint language plpgsql stable as $$
declare
  found_person bigint;
begin
  select m.person_id into found_person from message m where m.message_id = wanted;
  if not found then
    select a.person_id into found_person from message_archive a where a.message_id = wanted;
  end if;
  return found_person;
end $$;

-- How long after its subject's close a member's link still shows a page, and a day: until then everything stays.
create function archive_delay() returns interval language sql immutable parallel safe as $$ select interval '61 days' $$;

-- The year a step's messages are kept under.
create function archive_year(of step) returns int language sql stable parallel safe as $$
  select extract(year from coalesce(of.launched_at, of.finished_at, of.created_at) at time zone 'UTC')::int
$$;

-- The year a transactional message is kept under: that in which it was asked for.
create function archive_year(created_at timestamptz) returns int language sql immutable parallel safe as $$
  select extract(year from created_at at time zone 'UTC')::int
$$;

-- Forgets what the archive has of a year's transactional messages beside the messages themselves.
create function forget_transactional(wanted integer) returns void
language sql set search_path = public, pg_temp as $$
  delete from transactional t
  using message_archive m
  where m.year = wanted and m.step_id is null and t.message_id = m.message_id
$$;

-- Moves messages into the archive and their history behind them, in the order it was written. It goes by what the tables say,
-- not by what it is told: messages that wait for nothing, of steps that are over, under their step's year; transactional ones
-- when they are as old as links get, without what they said. Moved in one
-- transaction: a reader of both tables sees each message exactly once at every moment.
create function archive_messages(messages bigint[], out moved bigint, out events bigint)
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  over bigint[];
begin
  select array_agg(m.message_id) into over
  from message m
  left join step s using (step_id)
  where m.message_id = any (messages)
    and (s.state in ('finished', 'cancelled') or m.step_id is null and m.created_at < now() - archive_delay())
    and m.state not in ('queued', 'sending', 'ambiguous')
    -- nor under the number of another: history is found by it
    and not exists (select from message_archive a where a.message_id = m.message_id);
  if cardinality(messages) is distinct from cardinality(over) then
    raise exception 'only messages of steps that are over, and old ones without a step, are archived: that is % of %',
      coalesce(cardinality(over), 0), cardinality(messages);
  end if;

  with moved as (
    delete from message where message_id = any (over)
    returning
      message_id, step_id, campaign_id, person_id, sender_id, created_at, sent_at, changed_at, state, attempt, segments,
      channel, address, reason, provider_id
  ), kept as (
    insert into message_archive (
      message_id, step_id, campaign_id, person_id, sender_id, created_at, sent_at, changed_at, state, attempt, segments,
      channel, address, reason, provider_id, year
    )
    select moved.*, case when s.step_id is null then archive_year(moved.created_at) else archive_year(s) end
    from moved
    left join step s using (step_id)
    returning 1
  )
  select count(*) into moved from kept;
  update transactional set content = null, concealed = null where message_id = any (over);

  perform set_config('muster.archiving', 'on', true);
  with moved as (
    delete from message_event where message_id = any (over)
    returning message_id, event_id, at, state, source, code, detail
  ), kept as (
    insert into message_event_archive (message_id, event_id, at, state, source, code, detail, year)
    select g.message_id, g.event_id, g.at, g.state, g.source, g.code, g.detail, a.year
    from moved g
    join message_archive a using (message_id)
    returning 1
  )
  select count(*) into events from kept;
  perform set_config('muster.archiving', 'off', true);

  perform record_own_action(
    'messages.archived', coalesce('step ' || step_id, 'transactional messages'),
    jsonb_build_object('messages', count(*), 'login', session_user)
  )
  from message_archive
  where message_id = any (over)
  group by step_id;
end $$;

-- Makes the tables of a year. Who works with tables need not own them: what takes an owner is done by functions of the
-- owner's, each of which does one thing.
create function make_archive_year(wanted integer) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  if wanted not between 1970 and 9999 then
    raise exception 'the archive has no year %', wanted;
  end if;
  execute format('create table message_archive_%1$s partition of message_archive for values in (%1$s)', wanted);
  execute format('create table message_event_archive_%1$s partition of message_event_archive for values in (%1$s)', wanted);
end $$;

-- Takes the words of providers out of what was recorded in the history of erased people's messages since: which messages those
-- are, only finish_erasure writes down.
create function empty_late_words(messages bigint[]) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  changed bigint;
  archived bigint;
begin
  perform set_config('muster.erasing', 'on', true);
  update message_event e
  set code = case when code !~ '@|\d{7}' then code end, detail = impersonal_detail(detail)
  from erased_message m
  where m.message_id = any (messages) and e.message_id = m.message_id and e.event_id > m.upto
    and (detail is distinct from impersonal_detail(detail) or code ~ '@|\d{7}');
  get diagnostics changed = row_count;
  update message_event_archive e
  set code = case when code !~ '@|\d{7}' then code end, detail = impersonal_detail(detail)
  from erased_message m
  where m.message_id = any (messages) and e.message_id = m.message_id and e.event_id > m.upto
    and exists ( -- the archive's message, and no newer one that somebody has given its number
      select from message_archive a where a.message_id = m.message_id and a.address = 'erased-' || m.message_id
    )
    and (detail is distinct from impersonal_detail(detail) or code ~ '@|\d{7}');
  get diagnostics archived = row_count;
  perform set_config('muster.erasing', 'off', true);
  if changed + archived > 0 then
    perform record_own_action(
      'ledgers.emptied', 'messages', jsonb_build_object('rows', changed + archived, 'login', session_user)
    );
  end if;
end $$;

grant execute on function
  is_received, messages_of, messages_to, person_of_message, menu_of, may_send_at, sending_opens, cap_frees_at, message_deadline, stops_of,
  reason_weight, impersonal_detail to public;
grant execute on function
  messages_to_nobody, stop_of_transactional, conversation_of, may_have_left, is_in_hand to public;

-- migrate:down
