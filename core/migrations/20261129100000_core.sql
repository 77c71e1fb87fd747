-- migrate:up

-- Any part of a name, a number or a mailbox is found by its groups of three letters. The extension is part of PostgreSQL,
-- but not installed on every server: there, a search reads every member, which 120,000 are few enough for.
do $$
begin
  create extension if not exists pg_trgm;
exception when undefined_file or insufficient_privilege or feature_not_supported then
  raise notice 'pg_trgm is not to be had here: searching for members reads all of them';
end $$;

-- Functions are for those who are granted them. What only computes, or reads with its caller's own rights, is granted to
-- everybody at the end of each of these files.
alter default privileges revoke execute on functions from public;

-- Nothing of ours needs temporary tables. Everybody could make one called as a table that a function looks for; whoever was
-- granted them has them still.
do $$
begin
  if pg_has_role((select datdba from pg_database where datname = current_database()), 'usage') then
    execute format('revoke temporary on database %I from public', current_database());
  end if;
end $$;

-- What a trigger, or a function with its owner's rights, names must be the owner's tables and no others. So all of them have
-- `search_path = public, pg_temp`: a path without pg_temp is searched with it first, before pg_catalog even.

-- Alerts: what went wrong lately and what to do about it, one row a key; staff see it until it is resolved.
create table alert (
  alert_id    bigint generated always as identity primary key,
  key         text        not null,
  severity    text        not null check (severity in ('notice', 'warning', 'error')),
  title       text        not null,
  remedy      text        not null,
  detail      jsonb       not null default '{}',
  times       bigint      not null default 1,
  first_at    timestamptz not null default now(),
  last_at     timestamptz not null default now(),
  resolved_at timestamptz
);
create unique index alert_open on alert (key) where resolved_at is null;

-- Audit of who did what. Append-only.
create table audit (
  audit_id bigint generated always as identity primary key,
  at       timestamptz not null default now(),
  actor    text        not null,
  action   text        not null,
  subject  text        not null,
  detail   jsonb       not null default '{}'
);

-- Ledgers are append-only, whoever asks: these two triggers guard all of them.
create function refuse_change() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  raise exception '% is append-only: add a row that corrects, never change one', tg_table_name;
end $$;

-- The one change that ledgers let through: a function of their owner's (erase_personal_detail, with the campaigns) may take
-- personal detail out of a row. Which columns hold it is named where each trigger is made; all others stay as they are. Of the
-- audit, only rows change that speak of whoever is being erased (is_theirs, with the messages). It counts the rows.
create function only_erasure() returns trigger language plpgsql set search_path = public, pg_temp as $$
declare
  erased jsonb;
begin
  if coalesce(current_setting('muster.erasing', true), '') <> 'on'
    or current_user <> (select pg_get_userbyid(c.relowner) from pg_class c where c.oid = tg_relid)
    or to_jsonb(old) - tg_argv <> to_jsonb(new) - tg_argv then
    raise exception '% is append-only: add a row that corrects, never change one', tg_table_name;
  end if;
  erased := nullif(current_setting('muster.erased', true), '')::jsonb;
  if tg_table_name = 'audit' then
    if is_theirs(
      old, (erased ->> 'who')::bigint, erased ->> 'number',
      array(select jsonb_array_elements_text(erased -> 'channels')),
      array(select jsonb_array_elements_text(erased -> 'addresses'))
    ) is not true then
      raise exception 'audit is append-only: row % says nothing of whoever is being erased', old.audit_id;
    end if;
  end if;
  perform set_config('muster.erased', jsonb_set(erased, '{rows}', to_jsonb((erased ->> 'rows')::int + 1))::text, true);
  return new;
end $$;

create trigger audit_append_only before update on audit for each row execute function only_erasure('subject', 'detail');
create trigger audit_stays before delete on audit for each statement execute function refuse_change();

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

grant execute on function jsonb_words, jsonb_without, squeezed to public;

-- migrate:down
