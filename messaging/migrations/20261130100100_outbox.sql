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
grant select (sender_id, channel, address, display_name, paused_reason) on sender to muster_staff, muster_staff_all;

-- Workers that send, with their heartbeats. The messages that one has claimed are its own until it is declared gone.
create table dispatcher (
  dispatcher_id bigint generated always as identity primary key,
  name          text        not null,
  entered_at    timestamptz not null default now(),
  until         timestamptz not null,               -- from then on, without another heartbeat, others may declare it gone
  steady_since  timestamptz not null default now(), -- no break in its heartbeat since; after a whole lease it may declare others gone
  gone_at       timestamptz,
  lost          boolean     not null default false  -- it was declared gone, and did not leave in order
);
create index dispatcher_until on dispatcher (until) where gone_at is null;

-- Version of the outbox: how waiting, claimed and sent messages are stored. A migration that changes it replaces this function
-- first, and workers of an older version then claim nothing more (messaging/outbox/heartbeat.py).
create function outbox_version() returns integer language sql stable as $$ select 1 $$;
grant execute on function outbox_version to public;

-- Steps of campaigns, for delivery: what to say, from which sender, when, under which limits. What a step says, and what its links
-- are made with, is for no login of staff to read.
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
grant select (
  step_id, campaign_id, position, template, purpose, channels, sms_sender_id, email_sender_id, goal_id, priority, state, due_at, after,
  dated, send_after, send_before, launched_at, finished_at, created_at
) on step to muster_staff, muster_staff_all;

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
  message_id    bigint generated always as identity primary key,
  step_id       bigint,                              -- null: a transactional message
  campaign_id   bigint,
  person_id     bigint,                              -- null: only an address is known
  channel       text          check (channel in ('sms', 'email')),
  address       text,                                -- normalised; null where the person was skipped
  sender_id     bigint,
  variables     jsonb         not null default '{}', -- snapshot: what was approved is what is sent, on every try
  time_zone     text          not null default 'Europe/London',
  state         message_state not null default 'queued',
  reason        text,                                -- a closed vocabulary, see messaging/states.py
  not_before    timestamptz   not null default now(),
  date_at       timestamptz,                         -- of a dated step: the date of the person that it is about
  attempt       smallint      not null default 0,    -- the fencing number: an outcome counts only for the attempt that won it
  apart         boolean       not null default false, -- of a dated step: each person gets their own, at an address that others share too
  dispatcher_id bigint,                              -- the worker that has claimed it
  wire_at       timestamptz,                         -- set just before the wire: from here on, silence is ambiguous
  provider      text,                                -- who has it, set with wire_at: whatever happens to its worker, they are asked
  provider_id   text,                                -- Twilio's SID
  sent_from     text,                                -- of texts, the number they left from, where the provider has one of its own
  segments      smallint,
  created_at    timestamptz   not null default now(),
  sent_at       timestamptz,                         -- when the provider took it
  changed_at    timestamptz   not null default now(),
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
-- Progress: counts by state without touching the table, also for staff who see a region, whose policy asks for the person.
create index message_progress on message (step_id, state, reason) include (segments, sent_at, person_id)
  where step_id is not null;
-- A receipt finds its message.
create unique index message_provider on message (provider_id) where provider_id is not null;
-- How a sender has fared lately, a few entries however many messages there are: with what came back as bounces too, for a
-- server that takes a mail and then refuses its sender says so in a report.
create index message_refused_or_returned on message (sender_id, changed_at)
  where state in ('failed', 'undelivered', 'bounced');
create index message_sent on message (sender_id, sent_at) where sent_at is not null;
-- Messages about a date that nobody has sent before it.
create index message_dated on message (step_id, date_at) where state = 'queued' and date_at is not null;

-- The policy of those who see a region comes with the people, as it looks for the person; here and below are the columns that staff
-- may read. Where a message went, its variables and what providers call it are not among them.
alter table message enable row level security;
create policy worker on message to muster_worker using (true) with check (true);
create policy staff_all on message for select to muster_staff_all using ((select scope_is_everywhere()));
grant select (
  message_id, step_id, campaign_id, person_id, channel, state, reason, not_before, date_at, segments, created_at, sent_at, changed_at
) on message to muster_staff, muster_staff_all;

-- The moment from which a message is not worth sending: its step's, or its person's date where it is due before that.
create function message_deadline(send_before timestamptz, dated text, date_at timestamptz) returns timestamptz
language sql immutable parallel safe as $$
  select case when dated = 'before' then least(send_before, date_at) else send_before end
$$;

-- Transactional messages: to one person, or to an address alone, without campaign and step (codes, confirmations, answers by
-- hand). What a step says of all its messages stands here for each. The kind account is an invitation, or news of somebody's account.
create table transactional (
  message_id  bigint      primary key,
  kind        text        not null check (kind in ('sign_in', 'account', 'opt_out_confirmed', 'auto_reply', 'staff_reply', 'test')),
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
alter table transactional enable row level security;
create policy worker on transactional to muster_worker using (true) with check (true);
create policy staff_all on transactional for select to muster_staff_all using ((select scope_is_everywhere()));
grant select (message_id, kind, about) on transactional to muster_staff, muster_staff_all;

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

grant execute on function
  is_received, message_deadline, menu_of, conversation_of, messages_of, messages_to, messages_to_nobody to public;
grant execute on function conversation_of, is_received to muster_staff, muster_staff_all;

-- migrate:down
