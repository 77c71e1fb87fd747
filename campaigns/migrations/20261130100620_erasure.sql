-- migrate:up

-- Addresses of a person, by member files and by the messages to them; and whether others have them as well.
create function addresses_of(who bigint) returns table (channel text, address text, listed boolean, shared boolean)
language sql stable parallel safe as $$
  select place.channel, place.address, bool_or(place.listed), exists (
    select from address a where a.channel = place.channel and a.address = place.address and a.person_id <> who
  )
  from (
    select a.channel, a.address, true from address a where a.person_id = who
    union all
    select m.channel, m.address, false from messages_of(who) m
    union all
    select m.channel, m.address, false from message_archive m where m.person_id = who
  ) place (channel, address, listed)
  where place.address !~ '^erased-\d+$'
  group by place.channel, place.address
$$;

-- The erasure that a transaction has begun: whom it is of, as the tables said when the transaction had done nothing yet. What is
-- erased is derived from this row, not from what the login says later. Written by the owner's functions alone; a transaction
-- that leaves its row behind cannot commit.
create table erasure (
  transaction xid8     primary key,
  person_id   bigint,            -- null for somebody known by an address alone
  number      text     not null, -- their membership number; empty without a member
  channels    text[]   not null, -- of their addresses that nobody else has
  addresses   text[]   not null,
  archived    bigint[] not null  -- without a member: messages to the address in the archive
);
create trigger erasure_written before insert or update or delete on erasure
  for each statement execute function only_owner();

create function refuse_unfinished() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  if exists (select from erasure e where e.transaction = new.transaction) then
    raise exception 'an erasure was begun but not finished: call finish_erasure()';
  end if;
  return null;
end $$;
create constraint trigger erasure_is_finished after insert on erasure deferrable initially deferred
  for each row execute function refuse_unfinished();

-- Refuses to begin where anything was written before: whoever could take away an address first, and give it back
-- afterwards, could have the ledgers emptied of a living person.
create function begin_as_first() returns void language plpgsql set search_path = public, pg_temp as $$
begin
  if pg_current_xact_id_if_assigned() is not null then
    raise exception 'this transaction has written or locked something already'
      using hint = 'begin an erasure with the first statement of its transaction';
  end if;
end $$;

-- Begins the erasure of a person.
create function begin_erasure(who bigint) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  number text;
  theirs_channels text[];
  theirs text[];
begin
  perform begin_as_first();
  select p.external_id into number from person p where p.person_id = who and p.erased_at is null for update nowait;
  if not found then
    raise exception 'there is no person %, or they were erased already', who;
  end if;
  select array_agg(place.channel), array_agg(place.address) into theirs_channels, theirs
  from addresses_of(who) place
  where not place.shared and is_whole_address(place.channel, place.address);
  -- each erasure leaves one row in the audit: nobody's addresses are as many as a whole union's
  if cardinality(theirs) > 100 then
    raise exception 'person % has % addresses, more than the 100 that one erasure may have', who, cardinality(theirs)
      using hint = 'remove the addresses that are not theirs: muster people import';
  end if;
  insert into erasure (transaction, person_id, number, channels, addresses, archived)
  values (pg_current_xact_id(), who, number, coalesce(theirs_channels, '{}'), coalesce(theirs, '{}'), '{}');
end $$;

-- Begins the erasure of somebody known by an address alone: one that nobody has, and that something was sent to or heard from.
-- The archive has no index of addresses, so whoever has looked says which messages are in it.
create function begin_erasure_at(its_channel text, its_address text, archived bigint[]) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform begin_as_first();
  if is_whole_address(its_channel, its_address) is not true then
    raise exception 'that is not an address';
  end if;
  if exists (select from address a where a.channel = its_channel and a.address = its_address) then
    raise exception 'that address belongs to a member: begin the erasure of that person';
  end if;
  if exists (
    select from unnest(archived) as given (message_id)
    where not exists (
      select from message_archive m
      where m.message_id = given.message_id and m.channel = its_channel and m.address = its_address
    )
  ) then
    raise exception 'one of these messages was not sent to that address';
  end if;
  if not (
    cardinality(archived) > 0
    or exists (select from messages_to(its_channel, its_address))
    or exists (select from suppression_event e where e.channel = its_channel and e.address = its_address)
    or exists (select from reply r where r.channel = its_channel and r.address = its_address)
    or exists (select from erased_place p where p.channel = its_channel and p.address = its_address)
  ) then
    raise exception 'nothing was ever sent to or heard from that address';
  end if;
  insert into erasure (transaction, person_id, number, channels, addresses, archived)
  values (pg_current_xact_id(), null, '', array[its_channel], array[its_address], archived);
end $$;

-- Where a suppression comes from, of somebody who is being erased. Lists say it in words of their own, which may name the
-- person ("letter from Ann Lee"), or by the name of their file; what Muster itself writes down stays. Which words those are
-- is said at the beginning of the erasure, since they have the names of all providers among them: none said, none stays.
create function impersonal_source(source text) returns text language sql stable parallel safe as $$
  select case
    when source = any (string_to_array(current_setting('muster.own_sources', true), ',')) then source
    else 'erased'
  end
$$;

-- Takes out of the ledgers what names a person and leaves what happened, when, and who did it; returns how many rows it changed,
-- and which of the audit, since `muster audit verify` takes no other for emptied.
-- It is of use to its owner alone, whose triggers let nobody else change a ledger: finish_erasure calls it.
create function empty_ledgers(
  who       bigint,   -- the person; null for somebody known by an address alone
  number    text,     -- their membership number; empty without a member
  channels  text[],
  addresses text[],   -- that are theirs alone, by channel
  hot       bigint[], -- their messages in the outbox
  cold      bigint[], -- those in the archive
  others    bigint[], -- messages for other people at the address: only the address goes from their history
  out rows bigint, out audit_ids bigint[]
) language plpgsql set search_path = public, pg_temp as $$
declare
  -- what is only a few digits is a count as well
  sought constant text[] := array(select own.address from unnest(addresses) as own (address) where own.address !~ '^[0-9]');
  -- who works here is named by what they did, for as long as that is kept
  outside constant text[] := array(
    select own.address from unnest(sought) as own (address)
    where not exists (select from staff s where lower(s.email) = own.address)
      and not exists (select from audit a where lower(a.actor) = own.address)
  );
  likes constant text[] := address_likes(outside);
  these bigint;
begin
  perform set_config('muster.erasing', 'on', true);

  -- The audit speaks of people by their id and of opt-outs by their place in the ledger.
  with emptied as (
    update audit_detail set salt = null, detail = '{}' where subject = 'person ' || who and detail <> '{}' returning audit_id
  )
  select coalesce(array_agg(audit_id), '{}') into audit_ids from emptied;
  with emptied as (
    update audit_detail
    set salt = null, subject = without_addresses(subject, outside), detail = jsonb_without(detail, outside)
    where squeezed(subject || ' ' || detail::text) like any (likes)
      and (names_address(subject, outside) or names_address(jsonb_words(detail), outside))
    returning audit_id
  )
  select audit_ids || coalesce(array_agg(audit_id), '{}') into audit_ids from emptied;
  rows := cardinality(audit_ids);

  update suppression_event e set address = 'erased', message_id = null, source = impersonal_source(e.source)
  from unnest(channels, addresses) as a (channel, address)
  where e.channel = a.channel and e.address = a.address;
  get diagnostics these = row_count;
  rows := rows + these;
  update suppression_event e set source = impersonal_source(e.source)
  where e.channel = 'person' and e.address = who::text and e.source <> impersonal_source(e.source);
  get diagnostics these = row_count;
  rows := rows + these;

  update consent_event set source = 'erased', wording = '', message_id = null
  where person_id = who and (source, wording) is distinct from ('erased', '');
  get diagnostics these = row_count;
  rows := rows + these;

  update claim c set recorder = 'erased'
  from ballot b
  where c.ballot_id = b.ballot_id and c.person_id = who and (c.recorder = number or names_address(c.recorder, sought));
  get diagnostics these = row_count;
  rows := rows + these;

  -- what somebody answered stays counted, without their words; the words of others lose the address
  delete from response_comment c using response r where r.response_id = c.response_id and r.person_id = who;
  get diagnostics these = row_count;
  rows := rows + these;
  update response_comment set comment = without_addresses(comment, sought)
  where squeezed(comment) like any (address_likes(sought)) and names_address(comment, sought);
  get diagnostics these = row_count;
  rows := rows + these;
  -- as do staff replies to others; those to the person themselves are emptied with their messages
  update transactional t
  set content = jsonb_without(content, sought)
  where not has_secrets and squeezed(content::text) like any (address_likes(sought)) and names_address(jsonb_words(content), sought);
  get diagnostics these = row_count;
  rows := rows + these;
  update response r set recorder = 'erased'
  where r.person_id = who and (r.recorder = number or names_address(r.recorder, sought));
  get diagnostics these = row_count;
  rows := rows + these;
  -- which answers are about the same date stays, as it says which of them stand; which date that was does not
  update response r set date_at = to_timestamp(d.place)
  from (
    select response_id, dense_rank() over (partition by question_id, campaign_id order by date_at) as place
    from response
    where person_id = who and date_at is not null
  ) d
  where r.response_id = d.response_id and r.date_at <> to_timestamp(d.place);
  get diagnostics these = row_count;
  rows := rows + these;

  update message_event
  set code = case when not names_address(code, sought) and code !~ '@|\d{7}' then code end, detail = impersonal_detail(detail)
  where message_id = any (hot)
    and (detail is distinct from impersonal_detail(detail) or names_address(code, sought) or code ~ '@|\d{7}');
  get diagnostics these = row_count;
  rows := rows + these;
  update message_event_archive
  set code = case when not names_address(code, sought) and code !~ '@|\d{7}' then code end, detail = impersonal_detail(detail)
  where message_id = any (cold)
    and (detail is distinct from impersonal_detail(detail) or names_address(code, sought) or code ~ '@|\d{7}');
  get diagnostics these = row_count;
  rows := rows + these;
  update message_event
  set code = case when not names_address(code, sought) then code end, detail = jsonb_without(detail, sought)
  where message_id = any (others) and (names_address(code, sought) or names_address(jsonb_words(detail), sought));
  get diagnostics these = row_count;
  rows := rows + these;
  update message_event_archive
  set code = case when not names_address(code, sought) then code end, detail = jsonb_without(detail, sought)
  where message_id = any (others) and (names_address(code, sought) or names_address(jsonb_words(detail), sought));
  get diagnostics these = row_count;
  rows := rows + these;

  perform set_config('muster.erasing', 'off', true);
end $$;

-- Finishes the erasure that this transaction has begun: the one way to change a ledger, and to erase a person. It is told nothing:
-- whom, the row of the beginning says, and which messages, the messages, which nobody can change. It does not take an opt-out
-- out of the ledger of which no digest is kept: which digest is whose, only whoever has the key can say, so that this is a
-- reminder for our own code and proves nothing. It writes down itself what it has done. Returns the person's new number.
create function finish_erasure() returns text
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  it erasure;
  anew text;
  hot bigint[] := '{}';
  cold bigint[] := '{}';
  others bigint[] := '{}'; -- to living people: that an address was theirs once makes their history nobody else's
  emptied record;
begin
  delete from erasure e where e.transaction = pg_current_xact_id() returning * into it;
  if not found then
    raise exception 'this transaction has begun no erasure';
  end if;
  if exists (
    select from unnest(it.channels, it.addresses) as own (channel, address)
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
    raise exception 'that address has opted out, and its digest has not been stored';
  end if;

  if it.person_id is not null then
    anew := 'erased-' || left(encode(sha256(convert_to(gen_random_uuid()::text, 'UTF8')), 'hex'), 16);
    delete from address a where a.person_id = it.person_id;
    update person p
    set external_id = anew, first_name = '', last_name = '', unit_id = null, language = 'en', time_zone = 'Europe/London',
      attributes = '{}', left_at = null, struck_off_at = coalesce(struck_off_at, now()), erased_at = now(),
      created_at = now(), updated_at = now()
    where p.person_id = it.person_id;
    hot := array(
      select m.message_id from messages_of(it.person_id) m
      union all
      select m.message_id
      from unnest(it.channels, it.addresses) as own (channel, address)
      cross join lateral messages_to_nobody(own.channel, own.address) m
    );
    cold := array(
      select m.message_id from message_archive m where m.person_id = it.person_id
      union all
      select m.message_id
      from unnest(it.channels, it.addresses) as own (channel, address)
      join message_archive m on m.person_id is null and m.channel = own.channel and m.address = own.address
    );
  else
    others := array(select m.message_id from messages_to(it.channels[1], it.addresses[1]) m) || it.archived;
  end if;

  insert into erased_message (message_id, upto)
  select id, 0 from unnest(hot || cold) as theirs (id)
  union all
  select id, greatest(
    (select max(e.event_id) from message_event e where e.message_id = id),
    (select max(e.event_id) from message_event_archive e where e.message_id = id), 0
  )
  from unnest(others) as went (id)
  on conflict (message_id) do update set upto = least(erased_message.upto, excluded.upto), erased_at = excluded.erased_at;

  perform set_config('muster.erasing', 'on', true);
  update message set address = 'erased-' || message_id
  where message_id = any (hot || others) and address <> 'erased-' || message_id;
  update message_archive set address = 'erased-' || message_id
  where message_id = any (cold || others) and address <> 'erased-' || message_id;

  emptied := empty_ledgers(it.person_id, it.number, it.channels, it.addresses, hot, cold, others);
  perform record_own_action(
    'ledgers.emptied', coalesce('person ' || it.person_id, 'an address'),
    jsonb_build_object(
      'rows', emptied.rows, 'addresses', cardinality(it.addresses), 'audit', emptied.audit_ids, 'login', session_user
    )
  );
  return anew;
end $$;

grant execute on function addresses_of, impersonal_source to public;

-- migrate:down
