-- squawk-ignore-file require-timeout-settings, prefer-robust-stmts, ban-drop-function
-- migrate:up

-- A regular expression that finds a mailbox or number in any text: as people write it, as forms encode it, inside a sentence.
-- PostgreSQL's and Python's alike, without regard to case. Country codes are told apart by their first digits.
create function address_pattern(address text) returns text language plpgsql immutable strict parallel safe as $$
declare
  between constant text := '(?:%20|[ ' || chr(160) || '()./+-]){0,3}'; -- as `squeezed` takes out
  number constant text[] := regexp_match(
    address,
    '^\+([17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]'
      || '|2[1-689]\d|3[578]\d|42\d|5[09]\d|6[7-9]\d|8[035789]\d|9[679]\d)(\d+)$'
  );
  spread text[];
begin
  if strpos(address, '@') > 0 then
    -- no part of a longer mailbox, but perhaps after something that a form has encoded
    return '(?:(?<![\w.+-])|(?<=%[0-9a-f][0-9a-f]))' || (
      select string_agg(
        case
          when char = '@' then '(?:@|%40)'
          when char = '+' then '(?:\+|%2B)'
          when char = '.' then '(?:\.|%2E)'
          when strpos('!"#$%&''()*,-/:;<=>?[\]^`{|}~ ', char) > 0 then '\' || char
          else char
        end, '' order by place
      )
      from string_to_table(address, null) with ordinality as t (char, place)
    ) || '(?![\w-]|\.\w)';
  end if;
  spread := array(
    select array_to_string(string_to_array(part, null), between)
    from unnest(coalesce(number, array['', ltrim(address, '+')])) as part
  );
  return '(?:(?<!\d)|(?<=%[0-9a-f][0-9a-f]))'
    || case when number is not null then
      '(?:(?:\+|00|%2B)?' || spread[1] || between || '(?:0' || between || ')?|0' || between || ')'
      -- so many digits say whose it is without a zero or a country code before them
      || case when length(number[2]) >= 9 then '?' else '' end
    else '' end
    || spread[2] || '(?!\d)';
end $$;

-- A whole normalised mailbox or number, which nobody else's text can pass for; a short code finds nothing but itself.
create function is_whole_address(channel text, address text) returns boolean language sql immutable strict parallel safe as $$
  select case channel
    when 'email' then address ~ '^[^\s@<>"(),;:\\]+@[^\s@.<>"(),;:\\]+(\.[^\s@.<>"(),;:\\]+)+$'
    when 'sms' then address ~ '^\+[1-9][0-9]{6,14}$' or address ~ '^[0-9]{3,8}$'
    else false
  end
$$;

-- As before, but by the whole address and not by a part of it.
create or replace function is_theirs(entry audit, who bigint, number text, channels text[], addresses text[]) returns boolean
language sql stable as $$
  select (entry).subject in ('person ' || who, nullif(number, ''))
    or exists (
      select from unnest(addresses) as own (address)
      where own.address !~ '^[0-9]'
        and (entry).subject || ' ' || jsonb_words((entry).detail) ~* address_pattern(own.address)
    )
    or (entry).action = 'messages.resumed' and exists (
      select from suppression_event e
      join unnest(channels, addresses) as own (channel, address) using (channel, address)
      where e.action = 'lift' and e.at = (entry).at
    )
$$;
drop function address_mark(text);

-- Who was erased stays erased: otherwise anybody could be for a moment, to have their rows emptied.
create function stay_erased() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  raise exception 'person % was erased, and stays so', old.person_id;
end $$;
create trigger person_stays_erased before update of erased_at on person for each row
  when (old.erased_at is not null and new.erased_at is distinct from old.erased_at) execute function stay_erased();

-- Whom a message was for and where it went is never written again; the owner's function below takes it out. Nothing that is
-- written for every message names these columns, so this costs sending nothing.
create function only_emptying() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  if coalesce(current_setting('muster.erasing', true), '') <> 'on'
    or current_user <> (select pg_get_userbyid(c.relowner) from pg_class c where c.oid = tg_relid)
    or new.person_id <> old.person_id then
    raise exception 'message % was for whom it was for, and went where it went', old.message_id;
  end if;
  return new;
end $$;
create trigger message_place_stays before update of person_id, channel, address on message for each row
  when ((old.person_id, old.channel, old.address) is distinct from (new.person_id, new.channel, new.address))
  execute function only_emptying();
create trigger message_archive_place_stays before update of person_id, channel, address on message_archive for each row
  when ((old.person_id, old.channel, old.address) is distinct from (new.person_id, new.channel, new.address))
  execute function only_emptying();

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

-- As before, but that it makes the pattern itself, of whole addresses, and does not take an opt-out out of the ledger that
-- stands nowhere else.
drop function erase_personal_detail(bigint, text, text[], text[], bigint[], text);
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

revoke all on function check_erased(bigint, text[], text[]) from public;
revoke all on function erase_places(bigint, text[], text[], bigint[]) from public;
revoke all on function erase_personal_detail(bigint, text, text[], text[], bigint[]) from public;

-- migrate:down
