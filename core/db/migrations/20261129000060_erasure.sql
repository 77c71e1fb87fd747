-- squawk-ignore-file require-timeout-settings, prefer-robust-stmts
-- migrate:up

-- Who is a member no longer: since when, and since when every electorate and audience says so. Somebody who was erased has
-- a row without a name, so that ledgers and counts stay what they were.
alter table person
  add column left_at       timestamptz, -- the first moment when they are no member; may be to come
  add column struck_off_at timestamptz, -- from here on nobody writes to them and no new electorate has them
  add column erased_at     timestamptz;
-- squawk-ignore require-concurrent-index-creation
create index person_leaving on person (left_at) where left_at is not null and struck_off_at is null;
-- squawk-ignore require-concurrent-index-creation
create index person_erased on person (erased_at) where erased_at is not null;

-- What stands against whoever was erased: keyed digests (HMAC) of their addresses and membership numbers, which nobody can
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

-- Ledgers refuse every change but one: the owner's function below may take personal detail out of a row. Which columns hold
-- it is named where each trigger is made; all others must stay as they are, whoever asks.
create function only_erasure() returns trigger language plpgsql as $$
begin
  if coalesce(current_setting('muster.erasing', true), '') <> 'on'
    or current_user <> (select pg_get_userbyid(c.relowner) from pg_class c where c.oid = tg_relid)
    or to_jsonb(old) - tg_argv <> to_jsonb(new) - tg_argv then
    raise exception '% is append-only: add a row that corrects, never change one', tg_table_name;
  end if;
  return new;
end $$;

drop trigger claim_append_only on claim;
create trigger claim_append_only before update on claim for each row execute function only_erasure('recorder');
create trigger claim_stays before delete on claim for each statement execute function refuse_change();

drop trigger audit_append_only on audit;
create trigger audit_append_only before update on audit for each row execute function only_erasure('subject', 'detail');
create trigger audit_stays before delete on audit for each statement execute function refuse_change();

drop trigger suppression_event_append_only on suppression_event;
create trigger suppression_event_append_only before update on suppression_event
  for each row execute function only_erasure('address', 'source', 'message_id');
create trigger suppression_event_stays before delete on suppression_event
  for each statement execute function refuse_change();

drop trigger consent_event_append_only on consent_event;
create trigger consent_event_append_only before update on consent_event
  for each row execute function only_erasure('source', 'wording', 'message_id');
create trigger consent_event_stays before delete on consent_event for each statement execute function refuse_change();

-- A message's history as well; it leaves its table in one way only, into the archive, and the archive by the year.
create function only_archiving() returns trigger language plpgsql as $$
begin
  if coalesce(current_setting('muster.archiving', true), '') <> 'on' then
    raise exception '% is append-only: it goes into the archive, and nowhere else', tg_table_name;
  end if;
  return null;
end $$;
create trigger message_event_append_only before update on message_event
  for each row execute function only_erasure('code', 'detail');
create trigger message_event_stays before delete on message_event for each statement execute function only_archiving();
create trigger message_event_archive_append_only before update on message_event_archive
  for each row execute function only_erasure('code', 'detail');
create trigger message_event_archive_stays before delete on message_event_archive
  for each statement execute function refuse_change();

-- What an event of a message says without saying anything of its person: the words of providers go, which quote addresses.
create function impersonal_detail(detail jsonb) returns jsonb language sql immutable parallel safe as $$
  select jsonb_object_agg(key, value)
  from jsonb_each(detail)
  where key = any (array['attempt', 'by', 'until', 'retry', 'of', 'reason', 'earlier', 'event', 'status', 'said'])
$$;

-- All texts and numbers in a document, keys too, as they are and not as JSON writes them: there, a line break before a word
-- is the letter n.
create function jsonb_words(document jsonb) returns text language sql immutable parallel safe as $$
  select coalesce(string_agg(word, chr(10)), '') from (
    select value #>> '{}' from jsonb_path_query(document, 'strict $.**') as value
    where jsonb_typeof(value) in ('string', 'number')
    union all
    select key #>> '{}' from jsonb_path_query(document, 'strict $.** ? (@.type() == "object").keyvalue().key') as key
  ) as said (word)
$$;

-- The document without what a pattern finds, in every text of it. A number that it finds becomes a text.
create function jsonb_without(document jsonb, pattern text) returns jsonb language plpgsql immutable parallel safe as $$
begin
  return case jsonb_typeof(document)
    when 'object' then (
      select coalesce(jsonb_object_agg(regexp_replace(key, pattern, 'erased', 'gi'), jsonb_without(value, pattern)), '{}')
      from jsonb_each(document)
    )
    when 'array' then (
      select coalesce(jsonb_agg(jsonb_without(value, pattern) order by place), '[]')
      from jsonb_array_elements(document) with ordinality as e (value, place)
    )
    when 'string' then to_jsonb(regexp_replace(document #>> '{}', pattern, 'erased', 'gi'))
    when 'number' then case when document #>> '{}' ~* pattern then to_jsonb('erased'::text) else document end
    else document
  end;
end $$;

-- A text as addresses are looked for in it before a pattern is: small, and without what people and programs put between the
-- parts of one. Whatever a pattern of an address finds, its squeezed form finds too, and much quicker.
create function squeezed(written text) returns text language sql immutable parallel safe as $$
  select translate(
    replace(replace(replace(replace(lower(written), '%40', '@'), '%2b', ''), '%20', ''), '%2e', ''),
    ' ().-/+' || chr(160), ''
  )
$$;

-- What the inbox calls what was written to somebody who was erased (message:12, twilio:SM…), as digests, for as long as
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

-- How much a reason says: leaving and having been erased are ours to take back, everything else outweighs them.
create function reason_weight(reason text) returns int language sql immutable parallel safe as $$
  select coalesce(array_position(array['left', 'erased'], reason), 3)
$$;

-- The one way to change a ledger. It takes out what names a person and leaves what happened, when, and who did it.
create function erase_personal_detail(
  who       bigint,   -- the person; null for somebody known by an address alone
  number    text,     -- their membership number; empty without a member
  channels  text[],
  addresses text[],   -- that are theirs alone, by channel
  messages  bigint[], -- that were sent to them
  pattern   text      -- finds their addresses in any text
) returns void language plpgsql security definer set search_path from current as $$
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

-- Who could be reached in a ballot that is over is as final as who was contacted.
alter table ballot add column reach_final_at timestamptz;

-- As before, and whether anybody may still write to them: a launch's page may have been decided just before they went.
create or replace view person_facts as
select
  p.person_id, p.time_zone, p.attributes, p.first_name, p.last_name,
  trim(p.first_name || ' ' || p.last_name) as full_name,
  p.external_id as member_id,
  p.language,
  coalesce(place.unit, '') as unit,
  coalesce(place.branch, '') as branch,
  coalesce(place.workplace, '') as workplace,
  coalesce(place.region, '') as region,
  p.struck_off_at
from person p
left join (
  select
    u.unit_id,
    max(u.name) as unit,
    max(above.name) filter (where above.kind = 'branch') as branch,
    max(above.name) filter (where above.kind = 'workplace') as workplace,
    max(above.name) filter (where above.kind = 'region') as region
  from unit u
  cross join lateral unnest(u.lineage) as step (unit_id)
  join unit above on above.unit_id = step.unit_id
  group by u.unit_id
) place using (unit_id);

-- migrate:down
