-- migrate:up

-- The inbound log: everything that members and providers send, stored as it came before it is processed.
create table inbound_log (
  inbound_id   bigint generated always as identity primary key,
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
create index inbound_log_new on inbound_log (next_try_at, inbound_id) where state = 'new';
create index inbound_log_subject on inbound_log (subject, inbound_id) where state = 'new';
create index inbound_log_parked on inbound_log (received_at) where state = 'parked';

-- Mail as it came, beside its row in the inbound log: out of the way of what claims a hundred rows at once.
create table inbound_mail (
  inbound_id bigint primary key references inbound_log on delete cascade,
  raw        bytea  not null
);

-- Mails with attachments in which no words could be read: signed in a form of their own, encrypted, a picture. Other mails
-- with attachments are deleted once they are processed; these stay until staff have closed the reply.
create table unread_mail (
  inbound_id bigint primary key references inbound_mail on delete cascade
);

-- Bodies that could not be read, kept a while for inspection.
create table inbound_malformed (
  malformed_id bigint generated always as identity primary key,
  source       text        not null,
  problem      text        not null,
  body         bytea       not null, -- capped
  received_at  timestamptz not null default now(),
  expires_at   timestamptz not null
);
create index inbound_malformed_expiry on inbound_malformed (expires_at);

-- Digests of deleted rows of the log, so that one is still known when it comes again: a provider's signature that says no
-- date is good for ever, and an old "1" or "STOP" of a member's must not count as an answer to another question. Nothing can be read
-- from a digest.
create table inbound_digest (
  digest   bytea       primary key, -- of the source and what it was known by
  noted_at timestamptz not null
);
create index inbound_digest_noted on inbound_digest (noted_at);

create function inbound_digest_of(source text, dedupe_key text) returns bytea
language sql stable strict parallel safe
as $$ select substring(sha256(convert_to(source || chr(10) || dedupe_key, 'UTF8')) for 16) $$;

-- How far the provider's own list of what came in has been compared with ours.
create table backfill_position (
  source    text        primary key, -- twilio_inbound
  through   timestamptz not null,    -- everything before is ours
  looked_at timestamptz not null     -- when somebody last began to look
);

-- Automatic texts that a phone gets only once.
create table sent_once (
  channel text        not null,
  address text        not null,
  kind    text        not null, -- no_pictures
  at      timestamptz not null default now(),
  primary key (channel, address, kind)
);

-- The certificates of Amazon SNS that have signed something for us: known again after a restart, without asking anybody.
create table sns_certificate (
  url     text        primary key,
  pem     bytea       not null,
  used_at timestamptz not null
);

-- Subjects in the inbound log (message:12, twilio:SM…) of messages to somebody who was erased, as digests, for as long as
-- receipts may still come: a row that is about one of them is emptied when it has been dealt with.
create table erased_subject (
  digest     bytea       primary key,
  message_id bigint,               -- where it is a message of ours
  erased_at  timestamptz not null
);
create index erased_subject_age on erased_subject (erased_at);

create function erased_subject_of(subject text) returns bytea language sql stable strict parallel safe as $$
  select substring(sha256(convert_to(subject, 'UTF8')) for 16)
$$;

-- Whether something that came in is about a message whose person was erased.
create function is_of_erased(subject text, about text) returns boolean language sql stable parallel safe as $$
  select exists (
    select from erased_subject e
    where e.digest in (erased_subject_of(subject), erased_subject_of('message:' || about))
  )
$$;

-- Views of members' pages. An answer must come from one, once; a view changes nothing else.
create table page_view (
  page_view_id bigint generated always as identity primary key,
  message_id   bigint      not null,
  action       text        not null,
  stage        smallint    not null default 1, -- 2: the second, plain question
  nonce        bytea       not null unique,    -- digest
  agent        text        not null,           -- a class: browser, scanner, preview, tool, none
  signals      text[]      not null default '{}',
  at           timestamptz not null default now(),
  answered_at  timestamptz,
  answer       text,
  earlier      text,                          -- at stage 2: what had been pressed before
  kept         boolean     not null default false -- after its time, because it says that the message was opened: one a message
);
create index page_view_message on page_view (message_id, at);
create index page_view_age on page_view (at) where not kept;

-- Records a view of a page. Of one page only so many are kept within a time: one more takes the place of the oldest,
-- so that whoever asks for a page again and again fills nothing. Those that are being changed at this moment are let be.
create function record_page_view(
  of_message bigint, page text, its_stage int, its_nonce bytea, its_agent text, its_signals text[], now timestamptz,
  pressed_before text, most int, within interval
) returns void
language plpgsql
as $$
begin
  if (
    select count(*) >= most from page_view v
    where v.message_id = of_message and v.action = page and v.at > now - within
  ) then
    update page_view
    set stage = its_stage, nonce = its_nonce, agent = its_agent, signals = its_signals, at = now, answered_at = null,
        answer = null, earlier = pressed_before
    where page_view_id = (
      select v.page_view_id from page_view v
      where v.message_id = of_message and v.action = page and v.at > now - within
      order by v.at, v.page_view_id
      limit 1
      for update skip locked
    );
    if found then
      return;
    end if;
  end if;
  insert into page_view (message_id, action, stage, nonce, agent, signals, at, earlier)
  values (of_message, page, its_stage, its_nonce, its_agent, its_signals, now, pressed_before);
end
$$;

-- All that a member's page needs, by the digest of its link: whom it was made for, what they were asked and have said, and
-- which messages are stopped: all, or only those by this message's channel. Whoever has only said no to marketing has not
-- stopped messages; an opt-out can be taken back on a page also where the message it was made by has been archived. A
-- revoked link is found no more than one that never was: the same query, the same time, the same page; nor is one whose subject
-- was over longer ago than links work. Once the person was erased only one page opens: the one where others stop messages to an
-- address they share. PostgreSQL inlines this function into the query that reads it.
create function link_recipient(link_digest bytea, opened_by text[], now timestamptz, lifetime interval)
returns table (
  message_id bigint, person_id bigint, channel text, address text, sent_at timestamptz, first_name text, language text,
  time_zone text, appointment_at text, place text, subject jsonb, status text, said_here boolean, stopped boolean,
  stopped_by_link boolean, stopped_everywhere boolean, reached_otherwise boolean
)
language sql stable parallel safe as $$
  select
    m.message_id, m.person_id, m.channel, m.address, m.sent_at,
    p.first_name, p.language,
    -- where the message speaks of it: as it is now, for a date may have moved since
    m.time_zone, case when m.variables ? 'appointment_at' then p.attributes ->> 'appointment_at' end,
    case when m.variables ? 'place' then p.attributes ->> 'place' end,
    to_jsonb(subject), s.status, coalesce(s.said_at = m.message_id, false),
    exists (
      select from suppression x
      where x.reason = 'opted_out' and x.purpose = 'all'
        and (x.channel, x.address) in ((m.channel, m.address), ('person', m.person_id::text))
    ),
    exists (
      select from suppression x
      join suppression_event e using (event_id)
      where x.reason = 'opted_out' and x.purpose = 'all' and e.source in ('link', 'unsubscribe')
        and (x.channel, x.address) in ((m.channel, m.address), ('person', m.person_id::text))
        and person_of_message(e.message_id) = m.person_id
    ),
    exists (
      select from suppression x
      where x.reason = 'opted_out' and x.purpose = 'all' and (x.channel, x.address) = ('person', m.person_id::text)
    ),
    exists (
      select from address a
      where a.person_id = m.person_id and a.channel <> m.channel
        and not exists (
          select from suppression x
          where x.purpose = 'all' and (x.channel, x.address) in ((a.channel, a.address), ('person', m.person_id::text))
        )
    )
  from link l
  join message m using (message_id)
  join campaign c using (campaign_id)
  join subject using (subject_kind, subject_id)
  join person p using (person_id)
  left join lateral (
    select s.status, s.said_at from subject_status s
    where s.subject_kind = c.subject_kind and s.subject_id = c.subject_id and s.person_id = m.person_id
    limit 1 -- there is one; but so it is looked for by the whole key, and not in every ballot there ever was
  ) s on true
  where l.digest = link_digest and l.revoked_at is null and l.action = any (opened_by)
    and coalesce(over_at(subject.closes_at, c.finished_at) > link_recipient.now - lifetime, true)
    and (m.address is distinct from 'erased-' || m.message_id or opened_by = '{unsubscribe}')
$$;

-- Events for webhook subscribers, numbered by one reader at a time in the order they were found in the ledgers,
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

-- How far each source of events has been read.
create table event_source_position (
  source   text   primary key,
  position bigint not null
);

-- Status last reported of things that have a state and no ledger: ballots by phase and by threshold, alerts while open.
create table reported_status (
  kind text   not null check (kind in ('phase', 'threshold', 'alert')),
  id   bigint not null,
  status text not null,
  primary key (kind, id)
);

-- Subscriptions: which events go where, and how far each has got. Secrets are encrypted with MUSTER_SECRET_KEY.
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

-- Attempts to deliver an event, and their outcomes.
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

-- Samples of columns are kept for the planner, and may be read by whoever may read the columns. Everything of
-- somebody who was erased goes from them when they are taken anew; only a table's owner may have that done, before 17.
create function forget_statistics() returns void language sql security definer set search_path = public, pg_temp as $$
  analyze person, address, message, message_event, message_archive, message_event_archive, suppression, suppression_event,
    consent_event, claim, response, response_comment, audit_detail, reply, alert, campaign, inbound_log, inbound_mail,
    inbound_malformed, soft_bounce, page_view, sent_once, webhook_event, webhook_delivery;
$$;

grant execute on function inbound_digest_of, erased_subject_of, is_of_erased, record_page_view, link_recipient to public;

-- migrate:down
