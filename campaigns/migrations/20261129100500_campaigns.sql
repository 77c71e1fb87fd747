-- migrate:up

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

-- When a step starts that follows another: days keep the hour of the ballot's clock, also where that is put forward or
-- back in between; hours and minutes are as long as they say.
create function starts_after(launched timestamptz, pause interval, zone text)
returns timestamptz language sql immutable parallel safe as $$
  select ((launched at time zone zone + date_trunc('day', pause)) at time zone zone) + (pause - date_trunc('day', pause))
$$;

-- A reply that was read, by rule or by a person; "open" ones wait for somebody.
create table reply (
  reply_id     bigint generated always as identity primary key,
  inbound_id     bigint      not null unique,
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
  note         text,                 -- what a reader should know beside its words, such as that attachments were not kept
  why_open     text,                 -- unclear, shared_address, unknown_sender, call_me …; null: nothing for a person to do
  state        text        not null default 'closed' check (state in ('open', 'closed')),
  received_at  timestamptz not null default now(),
  closed_at    timestamptz,
  closed_by    text
);
create index reply_open on reply (received_at) where state = 'open';
create index reply_message on reply (message_id) where channel = 'link';
create index reply_person on reply (person_id, received_at);
-- Other replies from a phone or mailbox: staff see them beside a reply, and a later STOP or START is found.
create index reply_address on reply (channel, address, reply_id);

-- Every reading a reply has had: by which rule of which version, or by whom of staff, and the claim it became. Written by
-- the database itself, so that no way of changing a reply leaves it out.
create table reply_classification (
  reading_id   bigint generated always as identity primary key,
  reply_id     bigint      not null,
  reading      text        not null,
  rule         text        not null,
  rule_version text        not null,
  reader       text,                 -- of staff; null: the rule
  claim_id     bigint,
  at           timestamptz not null default now()
);
create index reply_classification_reply on reply_classification (reply_id, reading_id);

create trigger reply_classification_append_only before update or delete on reply_classification for each row execute function refuse_change();

create function note_reading() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  if tg_op = 'INSERT' or new.rule = 'staff'
    or (new.reading, new.rule, new.rule_version) is distinct from (old.reading, old.rule, old.rule_version) then
    insert into reply_classification (reply_id, reading, rule, rule_version, reader, claim_id, at)
    values (
      new.reply_id, new.reading, new.rule, new.rule_version, case when new.rule = 'staff' then new.closed_by end,
      new.claim_id, case when tg_op = 'INSERT' then new.received_at else coalesce(new.closed_at, now()) end
    );
  end if;
  return null;
end $$;
create trigger reply_noted after insert or update of reading, rule, rule_version on reply
  for each row execute function note_reading();

-- A reply as staff see it: what it says, whose it is where that is certain, and the ballot it is about.
create view reply_shown as
select
  r.reply_id, r.received_at, r.channel, r.address, r.text, r.reading, r.rule, r.message_id, r.note, r.why_open, r.state,
  r.closed_at, r.closed_by,
  p.person_id, p.external_id, trim(p.first_name || ' ' || p.last_name) as name, u.name as unit, b.name as ballot,
  (select array_agg(a.person_id order by a.person_id) from address a
   where a.channel = r.channel and a.address = r.address) as holders
from reply r
left join person p on p.person_id = r.person_id
left join unit u on u.unit_id = p.unit_id
left join message_any m on m.message_id = r.message_id
left join campaign c on c.campaign_id = m.campaign_id
left join ballot b on b.ballot_id = c.ballot_id;

-- Replies as lines of a member's history.
create view reply_said as
select
  r.received_at as at, 'reply'::text as kind, r.message_id, r.channel as source, r.reading as word, r.text as words,
  case r.state when 'open' then r.why_open end as note,
  r.person_id, r.channel, r.address
from reply r;

-- Forgets a year, once every ballot that its messages were about has been closed for long enough, and writes down itself who
-- wanted it and what went. Messages that have been put under another year than their step's keep it from going.
create function drop_archive_year(wanted integer, actor text) returns bigint
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  held jsonb;
  total bigint;
  young text;
  misfiled text;
begin
  if to_regclass(format('message_archive_%s', wanted)) is null then
    raise exception 'the archive has no year %', wanted;
  end if;
  -- nobody adds to it while it is counted; its readers read on until it goes
  execute format('lock table message_archive_%1$s, message_event_archive_%1$s in share mode', wanted);
  select coalesce(sum(t.n), 0), coalesce(jsonb_object_agg(t.name, t.n), '{}'),
    min(t.name) filter (where t.young), min(t.name) filter (where t.misfiled)
  into total, held, young, misfiled
  from (
    select
      coalesce(c.name, 'campaign ' || m.campaign_id) as name, sum(m.n) as n,
      bool_or(b.closes_at > now() - archive_delay()) as young, bool_or(archive_year(s) is distinct from wanted) as misfiled
    from (
      select campaign_id, step_id, count(*) as n from message_archive where year = wanted group by campaign_id, step_id
    ) m
    left join step s using (step_id)
    left join campaign c on c.campaign_id = m.campaign_id
    left join ballot b using (ballot_id)
    group by m.campaign_id, c.name
  ) t;
  if misfiled is not null then
    raise exception 'messages of % stand under %, and were not launched then', misfiled, wanted
      using hint = 'somebody has put them there by hand: see to that first';
  end if;
  if young is not null then
    raise exception 'messages of % cannot be forgotten yet', young
      using hint = format('its ballot has to have been closed for %s days', extract(day from archive_delay()));
  end if;
  execute format('drop table message_archive_%1$s, message_event_archive_%1$s', wanted);
  insert into audit (actor, action, subject, detail)
  values (
    drop_archive_year.actor, 'forget', 'messages of ' || wanted,
    jsonb_build_object('messages', total, 'campaigns', held, 'login', session_user)
  );
  return total;
end $$;

-- Refuses to erase whoever still has a name or an address, and addresses that are none, or somebody's.
create function check_erased(who bigint, channels text[], addresses text[]) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
  if who is not null and not exists (
    select from person p
    where p.person_id = who and p.erased_at is not null and p.first_name = '' and p.last_name = ''
      and p.external_id ~ '^erased-[0-9a-f]{16}$' and not exists (select from address a where a.person_id = who)
  ) then
    raise exception 'person % is not being erased', who;
  end if;
  if exists (
    select from unnest(channels, addresses) as own (channel, address)
    where is_whole_address(own.channel, own.address) is not true
  ) then
    raise exception 'that is no address';
  end if;
  if exists (select from unnest(channels, addresses) as own (channel, address) join address using (channel, address)) then
    raise exception 'that address is somebody''s';
  end if;
end $$;

-- Takes out of messages where they went: of those to a person who was erased, or to addresses that are nobody's.
create function erase_places(who bigint, channels text[], addresses text[], messages bigint[]) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform check_erased(who, channels, addresses);
  if exists (
    select from (
      select m.message_id, m.person_id, m.channel, m.address from message m where m.message_id = any (messages)
      union all
      select m.message_id, m.person_id, m.channel, m.address from message_archive m where m.message_id = any (messages)
    ) m
    where m.person_id is distinct from who and m.address is distinct from 'erased-' || m.message_id
      and (who is not null or not exists (
        select from unnest(channels, addresses) as own (channel, address)
        where own.channel = m.channel and own.address = m.address
      ))
  ) then
    raise exception 'a message is not theirs';
  end if;
  perform set_config('muster.erasing', 'on', true);
  update message set address = 'erased-' || message_id
  where message_id = any (messages) and address <> 'erased-' || message_id;
  update message_archive set address = 'erased-' || message_id
  where message_id = any (messages) and address <> 'erased-' || message_id;
  perform set_config('muster.erasing', 'off', true);
end $$;

-- Takes out of the ledgers what names a person and leaves what happened, when, and who did it. It is of use to its owner alone,
-- whose triggers let nobody else change a ledger: erase_personal_detail calls it.
create function empty_ledgers(
  who       bigint,   -- the person; null for somebody known by an address alone
  number    text,     -- their membership number; empty without a member
  channels  text[],
  addresses text[],   -- that are theirs alone, by channel
  messages  bigint[], -- that were sent to them
  pattern   text      -- finds their addresses in any text
) returns void language plpgsql set search_path = public, pg_temp as $$
begin
  perform set_config('muster.erasing', 'on', true);

  -- The audit speaks of people by their id and of opt-outs by their place in the ledger. It used to name the membership
  -- number, and an address by its mask, which others have too: which row is meant, the ledger's own moment says.
  update audit a set subject = 'erased', detail = '{}'
  from suppression_event e
  join unnest(channels, addresses) as own (channel, address) using (channel, address)
  where e.action = 'lift' and a.at = e.at and a.action = 'messages.resumed' and a.subject like e.channel || ' %';
  update audit set subject = 'person ' || who, detail = '{}'
  where subject = number and number <> ''
    and action in ('preferences.changed', 'people.left', 'people.came_back', 'people.returned');
  update audit set detail = '{}' where subject = 'person ' || who and detail <> '{}';
  update audit
  set subject = regexp_replace(subject, pattern, 'erased', 'gi'), detail = jsonb_without(detail, pattern)
  where subject ~* pattern or jsonb_words(detail) ~* pattern;

  update suppression_event e set address = 'erased', message_id = null
  from unnest(channels, addresses) as a (channel, address)
  where e.channel = a.channel and e.address = a.address;

  update consent_event set source = 'erased', wording = '', message_id = null
  where person_id = who and (source, wording) is distinct from ('erased', '');

  update claim c set recorder = 'erased'
  from ballot b
  where c.ballot_id = b.ballot_id and c.person_id = who and (c.recorder = number or c.recorder ~* pattern);

  update message_event
  set code = case when code !~* pattern and code !~ '@|\d{7}' then code end, detail = impersonal_detail(detail)
  where message_id = any (messages)
    and (detail is distinct from impersonal_detail(detail) or code ~* pattern or code ~ '@|\d{7}');
  update message_event_archive
  set code = case when code !~* pattern and code !~ '@|\d{7}' then code end, detail = impersonal_detail(detail)
  where message_id = any (messages)
    and (detail is distinct from impersonal_detail(detail) or code ~* pattern or code ~ '@|\d{7}');

  perform set_config('muster.erasing', 'off', true);
end $$;

-- The one way to change a ledger. It says first what it will not do, and afterwards what was done. It makes the pattern itself,
-- of whole addresses, and does not take an opt-out out of the ledger that stands nowhere else.
create function erase_personal_detail(
  who       bigint,  -- the person; null for somebody known by an address alone
  number    text,    -- their membership number; empty without a member
  channels  text[],
  addresses text[],  -- that are theirs alone, by channel
  messages  bigint[] -- that were sent to them, and have been emptied
) returns void language plpgsql security definer set search_path = public, pg_temp as $$
declare
  changed int;
begin
  perform check_erased(who, channels, addresses);
  if number <> '' and (who is null or exists (select from person p where p.external_id = number)) then
    raise exception 'that membership number is somebody''s';
  end if;
  -- the digest has the moment of the ledger's event; which digest is whose, only whoever has the key can say
  if exists (
    select from unnest(channels, addresses) as own (channel, address)
    join suppression_event e using (channel, address)
    where e.action = 'suppress' and reason_weight(e.reason) = reason_weight('opted_out')
      and not exists (
        select from suppression_event later
        where later.channel = e.channel and later.address = e.address and later.purpose = e.purpose
          and later.action = 'lift' and later.event_id > e.event_id
      )
    group by e.channel, e.address, e.purpose
    having not bool_or(exists (
      select from suppression_digest d where d.channel = e.channel and d.purpose = e.purpose and d.since = e.at
    ))
  ) then
    raise exception 'an opt-out of that address stands, and no digest of it is kept';
  end if;
  if exists (
    select from unnest(messages) as given (message_id)
    where not exists (select from message m where m.message_id = given.message_id)
      and not exists (select from message_archive m where m.message_id = given.message_id)
  ) or exists (
    select from (
      select m.message_id, m.person_id, m.address from message m where m.message_id = any (messages)
      union all
      select m.message_id, m.person_id, m.address from message_archive m where m.message_id = any (messages)
    ) m
    left join person p using (person_id)
    where (who is null or m.person_id = who) is not true
      or (m.address = 'erased-' || m.message_id or m.address is null and p.erased_at is not null) is not true
  ) then
    raise exception 'a message is not theirs, or has not been emptied';
  end if;

  perform set_config('muster.erased', jsonb_build_object(
    'who', who, 'number', number, 'channels', channels, 'addresses', addresses, 'rows', 0)::text, true);
  perform empty_ledgers(who, number, channels, addresses, messages, coalesce((
    select string_agg(address_pattern(own.address), '|')
    from unnest(addresses) as own (address)
    where own.address !~ '^[0-9]' -- what is only a few digits is a count as well
  ), '\A(?!x)x'));
  changed := current_setting('muster.erased')::jsonb ->> 'rows';
  perform set_config('muster.erased', '', true);
  if changed > 0 then
    insert into audit (actor, action, subject, detail)
    values (
      'database', 'ledgers.emptied',
      case when who is not null then 'person ' || who when cardinality(addresses) > 0 then 'an address' else 'messages' end,
      jsonb_build_object('rows', changed, 'login', session_user)
    );
  end if;
end $$;

grant execute on function starts_after to public;

-- migrate:down
