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

-- The one change that ledgers let through: functions of their owner's (finish_erasure, with the campaigns) may take personal
-- detail out of a row. Which columns hold it is named where each trigger is made; all others stay as they are. Anybody can set
-- a setting; nobody else is the table's owner.
create function only_erasure() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  if coalesce(current_setting('muster.erasing', true), '') <> 'on'
    or current_user <> (select pg_get_userbyid(c.relowner) from pg_class c where c.oid = tg_relid)
    or to_jsonb(old) - tg_argv <> to_jsonb(new) - tg_argv then
    raise exception '% is append-only: add a row that corrects, never change one', tg_table_name;
  end if;
  return new;
end $$;

-- Tables that the owner's functions go by are written by those alone.
create function only_owner() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  if current_user <> (select pg_get_userbyid(c.relowner) from pg_class c where c.oid = tg_relid) then
    raise exception '%: this is done by a function of the database alone', tg_table_name;
  end if;
  return case tg_op when 'DELETE' then old else new end;
end $$;

create trigger audit_append_only before update on audit for each row execute function only_erasure('subject', 'detail');
create trigger audit_stays before delete on audit for each statement execute function refuse_change();

-- All texts and numbers in a document, keys too, as they are and not as JSON writes them: there, a line break before a word
-- is the letter n. Between them is a sign that stands in no address, so that two of them never make one.
create function jsonb_words(document jsonb) returns text language sql immutable parallel safe as $$
  select coalesce(string_agg(word, chr(31)), '') from (
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

-- Digits of other scripts that stay what they are under NFKC: for each digit from nought to nine, all that mean it.
create function digits_elsewhere() returns text[] language sql immutable parallel safe as $$
  select array[
    '٠۰߀०০੦૦୦௦౦೦൦๐໐༠၀០᠐',
    '١۱߁१১੧૧୧௧౧೧൧๑໑༡၁១᠑',
    '٢۲߂२২੨૨୨௨౨೨൨๒໒༢၂២᠒',
    '٣۳߃३৩੩૩୩௩౩೩൩๓໓༣၃៣᠓',
    '٤۴߄४৪੪૪୪௪౪೪൪๔໔༤၄៤᠔',
    '٥۵߅५৫੫૫୫௫౫೫൫๕໕༥၅៥᠕',
    '٦۶߆६৬੬૬୬௬౬೬൬๖໖༦၆៦᠖',
    '٧۷߇७৭੭૭୭௭౭೭൭๗໗༧၇៧᠗',
    '٨۸߈८৮੮૮୮௮౮೮൮๘໘༨၈៨᠘',
    '٩۹߉९৯੯૯୯௯౯೯൯๙໙༩၉៩᠙'
  ]
$$;

-- Signs beyond ASCII that stand between parts of an address: spaces of every width and none, dashes, full-width forms.
create function signs_elsewhere() returns text language sql immutable parallel safe as $$
  select string_agg(chr(first) || case when last > first then '-' || chr(last) else '' end, '')
  from (
    values
      (160, 160), (173, 173), (183, 183), (5760, 5760), (6158, 6158), (8192, 8213), (8226, 8226), (8232, 8239), (8287, 8303),
      (8722, 8722), (12288, 12288), (12290, 12290), (12316, 12316), (65112, 65112), (65123, 65123), (65279, 65279), (65288, 65289),
      (65291, 65295), (65374, 65374), (65377, 65377)
  ) as signs (first, last)
$$;

-- What people and programs put between the digits of a number, as the inside of a class: spaces, dashes, line breaks, signs that
-- are not seen, and some of ASCII.
create function signs_between() returns text language sql immutable parallel safe as $$
  select ' \t\n\r\f\v()\[\].,/+_:;*|~' || signs_elsewhere() || '-'
$$;

-- A text as addresses are looked for in it before a pattern is: small, decoded, in plain digits and letters, and without what may
-- stand between the parts of an address. Whatever a pattern of an address finds, its squeezed form finds too, and much quicker.
create function squeezed(written text) returns text language plpgsql immutable strict parallel safe as $$
declare
  plain text := lower(written);
begin
  if strpos(plain, '\') > 0 then -- of JSON, and of bytes that are shown as text
    plain := regexp_replace(plain, '\\+u0040', '@', 'g');
    plain := regexp_replace(plain, '(=(\\+r)?(?=\\+n))?\\+(u00(2[be]|a0|0[9ad])|[rnt]|[23][0-7][0-7])', '', 'g');
  end if;
  if strpos(plain, '%') > 0 then -- of forms
    plain := regexp_replace(plain, '%(25)*40', '@', 'g');
    plain := regexp_replace(plain, '%(25)*(0[9ad]|2[0-9a-f]|5[bdf]|7[ce]|[89abcdef][0-9a-f])', '', 'g');
  end if;
  if strpos(plain, '&') > 0 then -- of HTML
    if strpos(plain, '&#') > 0 then
      plain := regexp_replace(plain, '&#(x?)0+', '&#\1', 'g');
      for code in 33 .. 126 loop
        plain := replace(replace(plain, '&#' || code || ';', lower(chr(code))), '&#x' || to_hex(code) || ';', lower(chr(code)));
      end loop;
    end if;
    plain := regexp_replace(replace(plain, '&commat;', '@'), '&(#[0-9]+|#x[0-9a-f]+|[a-z]{2,8});', '', 'g');
  end if;
  if strpos(plain, '(at)') > 0 or strpos(plain, '[at]') > 0 then
    plain := replace(replace(plain, '(at)', '@'), '[at]', '@');
  end if;
  if strpos(plain, '<') > 0 then
    plain := regexp_replace(plain, '</?[a-z]{1,6} ?/?>', '', 'g');
  end if;
  if strpos(plain, '=') > 0 then -- of quoted-printable
    plain := replace(replace(plain, '=' || chr(13) || chr(10), ''), '=' || chr(10), '');
  end if;
  if octet_length(plain) <> length(plain) then
    plain := lower(normalize(regexp_replace(plain, '[' || signs_elsewhere() || ']', '', 'g'), NFKC));
    if plain ~ ('[' || array_to_string(digits_elsewhere(), '') || ']') then
      for digit in 0 .. 9 loop
        plain := translate(plain, (digits_elsewhere())[digit + 1], repeat(digit::text, length((digits_elsewhere())[1])));
      end loop;
    end if;
  end if;
  return translate(plain, E' \t\n\r\f\v()[].,/+_:;*|~-', '');
end $$;

-- A number without its country code, which people leave out; a mailbox as it is. Country codes are told apart by their first
-- digits; `code` is empty where there is none.
create function address_parts(address text, out code text, out rest text)
language sql immutable strict parallel safe as $$
  select coalesce(number[1], ''), coalesce(number[2], ltrim(address, '+'))
  from regexp_match(
    address,
    '^\+([17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]'
      || '|2[1-689]\d|3[578]\d|42\d|5[09]\d|6[7-9]\d|8[035789]\d|9[679]\d)(\d+)$'
  ) as number
$$;

-- A regular expression that finds a character however it is written: full width, in other digits, as forms and HTML encode it.
create function character_pattern(sign text) returns text language sql immutable strict parallel safe as $$
  select '(?:[' || case when sign ~ '[[:alnum:]]' then sign else '\' || sign end || string_agg(other, '' order by place) || ']'
    || coalesce('|' || nullif(concat_ws('|', encoded, entity, named), ''), '') || ')'
  from (select ascii(sign) as code) c
  cross join lateral (
    select
      case when code between 33 and 126 and sign !~ '[[:alnum:]]' then '%(?:25)*' || to_hex(code) end as encoded,
      case when code between 33 and 126 then
        (select string_agg('&#0*' || one || ';|&#x0*' || to_hex(one) || ';', '|')
         from (select code as one union select ascii(upper(sign))) as cases)
      end as entity,
      case sign when '@' then '\\u0040|&commat;|[(\[]at[)\]]' when '.' then '\\u002e|&period;' when '+' then '\\u002b|&plus;' end as named
  ) forms
  cross join lateral (
    select 0, case when code between 33 and 126 then chr(code + 65248) || chr(ascii(upper(sign)) + 65248) else '' end
    union all
    select 1, chr(8228) || chr(65377) || chr(12290) where sign = '.'
    union all
    select 2, chr(65131) where sign = '@'
    union all
    select 3, (digits_elsewhere())[code - 47]
      || (select string_agg(chr(120782 + n * 10 + code - 48), '') from generate_series(0, 4) as n)
    where sign ~ '^[0-9]$'
  ) as others (place, other)
  group by sign, encoded, entity, named
$$;

-- A regular expression that finds a mailbox or number in any text: as people write it, as forms encode it, inside a sentence.
-- PostgreSQL's and Python's alike, without regard to case. No part of it can match one text in two ways, so that it takes
-- time as the text is long.
create function address_pattern(address text) returns text language plpgsql immutable strict parallel safe as $$
declare
  between constant text := '(?:[' || signs_between() || ']|%(?:25)*(?:0[9ad]|2[0-46-9a-f]|5[bdf]|7[ce]|[89abcdef][0-9a-f])'
    || '|&(?:#0*(?:9|10|13|32|160|173|8\d\d\d)|#x0*(?:9|a|d|20|a0|ad|20[0-6][0-9a-f])|[a-z]{2,8});'
    || '|</?[a-z]{1,6} ?/?>|=\r?\n|\\[23][0-7][0-7])*'; -- as `squeezed` takes out
  unseen constant text := '(?:[' || chr(173) || chr(8203) || '-' || chr(8207) || chr(8288) || chr(65279) || ']|=\r?\n)*';
  around constant text := '(?:[ \t\n\r' || signs_elsewhere() || ']|&nbsp;|&#160;|=\r?\n)*';
  part record;
  spread text[];
  halves text[];
begin
  if strpos(address, '@') > 0 then
    halves := array(
      select string_agg(
        case when ascii(sign) < 128 then character_pattern(sign)
          else '(?:' || sign || '|' || normalize(sign, NFD) || ')' end,
        unseen order by place
      )
      from unnest(regexp_match(address, '^(.*)@([^@]*)$')) with ordinality as half (half, side)
      cross join string_to_table(half.half, null) with ordinality as t (sign, place)
      group by side
      order by side
    );
    -- no part of a longer mailbox, but perhaps after something that a form has encoded; and as a part of the address that a
    -- bounce is sent to, where it says whose mail it was
    return '(?:'
      || '(?:(?<![\w.+-])|(?<=%[0-9a-f][0-9a-f]))' || halves[1] || around || character_pattern('@') || around || halves[2]
      || '(?![\w-]|\.\w)'
      || '|(?<![\w.])' || halves[1] || '=' || halves[2] || '(?=@)'
      || '|(?<![\w.-])' || halves[2] || '=' || halves[1] || '(?=@)'
      || ')';
  end if;
  part := address_parts(address);
  spread := array(
    select (
      select string_agg(character_pattern(sign), between order by place)
      from string_to_table(digits, null) with ordinality as t (sign, place)
    )
    from unnest(array[part.code, part.rest, '0']) as parts (digits)
  );
  return '(?:(?<!\d)|(?<=%[0-9a-f][0-9a-f]))'
    || case when part.code <> '' then
      '(?:(?:' || character_pattern('+') || '|' || spread[3] || between || spread[3] || ')?' || spread[1] || between
      || '(?:' || spread[3] || between || ')?|' || spread[3] || between || ')'
      -- so many digits say whose it is without a zero or a country code before them
      || case when length(part.rest) >= 9 then '?' else '' end
    else '' end
    || spread[2] || '(?!\d)';
end $$;

-- Patterns for LIKE that find an address in squeezed text, at least wherever its regular expression does: also as JSON writes
-- it, and the two ways in which the address that a bounce goes to says whose mail it was.
create function address_likes(address text) returns text[] language sql immutable strict parallel safe as $$
  select array_agg(distinct '%' || regexp_replace(
    regexp_replace(squeezed(form), '^([rnt]|[23][0-7][0-7])', ''), -- which go with a backslash that stands before them
    '([\\%_])', '\\\1', 'g'
  ) || '%')
  from (
    select rest from address_parts(address)
    union all
    select trim('"' from to_json(address)::text) where address ~ '["\\]'
    union all
    select unnest(array[half[1] || '=' || half[2], half[2] || '=' || half[1]])
    from regexp_match(address, '^(.*)@([^@]*)$') as half
    where half is not null
  ) as forms (form)
$$;

-- A whole normalised mailbox or number, which nobody else's text can pass for; a short code finds nothing but itself.
create function is_whole_address(channel text, address text) returns boolean language sql immutable strict parallel safe as $$
  select case channel
    when 'email' then address ~ '^[^\s@<>"(),;:\\]+@[^\s@.<>"(),;:\\]+(\.[^\s@.<>"(),;:\\]+)+$'
    when 'sms' then address ~ '^\+[1-9][0-9]{6,14}$' or address ~ '^[0-9]{3,8}$'
    else false
  end
$$;

grant execute on function
  jsonb_words, jsonb_without, squeezed, digits_elsewhere, signs_between, signs_elsewhere, address_parts, character_pattern,
  address_pattern, address_likes to public;

-- migrate:down
