-- migrate:up

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

grant execute on function may_have_left, is_in_hand, impersonal_detail to public;

-- migrate:down
