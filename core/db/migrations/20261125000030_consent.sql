-- migrate:up

-- What people agreed to and took back, by purpose and channel: where they said so, in which words, and when. A ledger …
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
create trigger consent_event_append_only before update or delete on consent_event for each row execute function refuse_change();

-- … and where it stands: their latest word, whenever we came to know it.
create table consent (
  person_id bigint      not null,
  purpose   text        not null,
  channel   text        not null,
  given     boolean     not null,
  since     timestamptz not null,
  event_id  bigint      not null references consent_event,
  primary key (person_id, purpose, channel)
);

-- migrate:down
