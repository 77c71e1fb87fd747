-- migrate:up

-- Addresses in texts that people and programs wrote. A text is not searched by a pattern of every notation: it is brought to one
-- notation first, and remembers where each sign of it came from. It is read in several ways, as one notation can be another's
-- letters (`phone=2079460123` is no space and `79460123`): as it stands; decoded as forms, pages and JSON encode it; and as
-- mails do as well, with and without the tags of pages that have attributes. A number is the digits that stand together, a
-- mailbox what stands around an @.

-- Signs that are not seen, as the inside of a class: soft hyphens, joiners, directions, variants, keycaps and other marks that
-- only combine.
create function unseen_signs() returns text language sql immutable parallel safe as $$
  select string_agg(chr(first) || case when last > first then '-' || chr(last) else '' end, '')
  from (
    values
      (173, 173), (768, 879), (1155, 1161), (1564, 1564), (4447, 4448), (6068, 6069), (6155, 6159), (6832, 6911), (7616, 7679),
      (8203, 8207), (8234, 8238), (8288, 8303), (8400, 8447), (12644, 12644), (65024, 65039), (65056, 65071), (65279, 65279),
      (65440, 65440), (65529, 65531), (917504, 921599)
  ) as signs (first, last)
$$;

-- A text with plain digits, and one kind of space, dash, stop and quote; without what is not seen.
create function plain_signs(written text) returns text language plpgsql immutable strict parallel safe as $$
declare
  plain text;
begin
  if octet_length(written) = length(written) then
    return written;
  end if;
  plain := regexp_replace(normalize(written, NFKC), '[' || unseen_signs() || ']', '', 'g');
  plain := regexp_replace(plain, E'[\u1680\u2028\u2029\u2800]', ' ', 'g');
  plain := regexp_replace(plain, E'[\u2010-\u2015\u2043\u2212\u2e3a\u2e3b\u301c\u30a0]', '-', 'g');
  plain := translate(plain, E'\u00b7\u06d4\u2022\u2219\u22c5\u3002\u30fb\u2018\u2019\u201a\u201b\u201c\u201d\u2044\u2215\u2236\u0130', '.......''''''''''''//:I');
  if plain ~ '[٠-٩۰-۹߀-߉०-९০-৯੦-੯૦-૯୦-୯௦-௯౦-౯೦-೯൦-൯๐-๙໐-໙༠-༩၀-၉᠐-᠙]' then
    plain := translate(
      plain,
      '٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹߀߁߂߃߄߅߆߇߈߉०१२३४५६७८९০১২৩৪৫৬৭৮৯੦੧੨੩੪੫੬੭੮੯૦૧૨૩૪૫૬૭૮૯୦୧୨୩୪୫୬୭୮୯௦௧௨௩௪௫௬௭௮௯'
        || '౦౧౨౩౪౫౬౭౮౯೦೧೨೩೪೫೬೭೮೯൦൧൨൩൪൫൬൭൮൯๐๑๒๓๔๕๖๗๘๙໐໑໒໓໔໕໖໗໘໙༠༡༢༣༤༥༦༧༨༩၀၁၂၃၄၅၆၇၈၉᠐᠑᠒᠓᠔᠕᠖᠗᠘᠙',
      repeat('0123456789', 17)
    );
  end if;
  return plain;
end $$;

-- The same in small letters, sign by sign.
create function folded_signs(written text) returns text language sql immutable strict parallel safe as $$
  select lower(plain_signs(written))
$$;

-- A folded text with zeros where somebody wrote the letter o among digits.
create function with_zeros(plain text) returns text language sql immutable strict parallel safe as $$
  select case when plain ~ '[0-9]o|o[0-9]' then
    regexp_replace(
      regexp_replace(
        regexp_replace(plain, '(?<![a-z])o(?=[0-9])', '0', 'g'), '(?<=[0-9])o(?=o?[ .-]?[0-9])', '0', 'g'
      ),
      '(?<=[0-9])o(?=[ .-]?[0-9])', '0', 'g'
    )
  else plain end
$$;

-- The character of one to four bytes, given as hexadecimal digits; what is no UTF-8 is read as Latin-1.
create function character_of(bytes text) returns text language sql immutable strict parallel safe as $$
  select case
    when bytes = '00' then ''
    when bytes ~ ('^(?:[0-7].|(?:c[2-9a-f]|d.)[89ab].|e0[ab].[89ab].|(?:e[1-9a-cef])[89ab].[89ab].|ed[89].[89ab].'
      || '|f0[9ab].[89ab].[89ab].|f[1-3][89ab].[89ab].[89ab].|f48.[89ab].[89ab].)$') then
      convert_from(decode(bytes, 'hex'), 'UTF8')
    when length(bytes) = 2 then chr(('x' || bytes)::bit(8)::integer)
    else ' '
  end
$$;

-- The character with a code point; a space where there is none.
create function character_at(code bigint) returns text language sql immutable strict parallel safe as $$
  select case
    when code = 0 then ''
    when code > 1114111 or code between 55296 and 57343 then ' '
    else chr(code::integer)
  end
$$;

-- How one notation writes a sign: `marks` begin it, `pattern` finds it. `folded` are lines of a mail that go on, `quoted` its bytes
-- (`=40`), `escaped` JSON's and bytes that are shown as text (`\u0040`, `\n`, `\342\200\221`), `percent` forms (`%40`),
-- `entities` HTML's (`&#64;`), `tags` those without attributes, in which an address may be, and the @ in words or brackets (`(at)`,
-- `[@]`). Marks that follow one another are one piece: the time must not grow with the square of their number.
create function notation_of(stage text, out marks text, out pattern text) language sql immutable strict parallel safe as $$
  select
    case stage when 'escaped' then '\' when 'percent' then '%' when 'entities' then '&' when 'tags' then '<([{'
      when 'attributes' then '<' else '=' end,
    case stage
      when 'folded' then '=[ \t]*\r?\n|=[ \t]*(?:\\+r)?\\+n|[^=]+|=|=+(?==)'
      when 'quoted' then '=[0-9a-f]{2}|=[cd][0-9a-f]=[89ab][0-9a-f]|=e[0-9a-f](?:=[89ab][0-9a-f]){2}'
        || '|=f[0-4](?:=[89ab][0-9a-f]){3}|[^=]+|=|=+(?==)'
      when 'percent' then replace('~[0-9a-f]{2}|~[cd][0-9a-f]~[89ab][0-9a-f]|~e[0-9a-f](?:~[89ab][0-9a-f]){2}'
        || '|~f[0-4](?:~[89ab][0-9a-f]){3}|[^%]+|%|%+(?=%)', '~', '%(?:25)*')
      when 'escaped' then '\\+u[0-9a-f]{4}|\\+[rntbfv]|\\+[0-3][0-7][0-7]|\\+3[0-3][0-7]\\+2[0-7][0-7]'
        || '|\\+3[45][0-7](?:\\+2[0-7][0-7]){2}|\\+36[0-4](?:\\+2[0-7][0-7]){3}|[^\\]+|\\+'
      when 'entities' then '&(?:amp;)*(?:#[0-9]{1,7}|#x[0-9a-f]{1,6}|[a-z]{2,24});|[^&]+|&|&+(?=&)'
      when 'tags' then '[(\[{<] ?(?:at|@) ?[)\]}>]|</?[a-z][a-z0-9:]{0,10} ?/?>|[^<(\[{]+|[<(\[{]|[<(\[{]+(?=[<(\[{])'
      when 'attributes' then '<[/!]?[a-z][a-z0-9:]{0,15}[\s/][^<>]*>|[^<]+|<|<+(?=<)'
    end
$$;

-- The notations to read a text in, one after another: at level 0 none, at level 1 those that hardly anything else can be, from
-- level 2 on those of mails, at level 3 tags with attributes.
create function stages_of(level integer) returns text[] language sql immutable strict parallel safe as $$
  select case level
    when 0 then array[]::text[]
    when 1 then array['folded', 'escaped', 'percent', 'tags', 'entities']
    when 2 then array['folded', 'quoted', 'escaped', 'percent', 'tags', 'entities']
    else array['folded', 'quoted', 'escaped', 'percent', 'tags', 'attributes', 'entities']
  end
$$;

-- The text that an encoded sign stands for: for a name or tag that says nothing of addresses, a space. The + of a form (`%2B`) is
-- none of a longer mailbox, and so another sign that is folded to one.
create function decoded_sign(sign text) returns text language plpgsql immutable strict parallel safe as $$
declare
  small constant text := lower(sign);
  name text;
begin
  if ltrim(small, left(small, 1)) = '' then
    return sign;
  end if;
  case left(small, 1)
    when '%' then
      if right(small, 2) = '2b' then
        return U&'\FE62';
      end if;
      return character_of(regexp_replace(small, '%(25(?=[0-9a-f]{2}))*', '', 'g'));
    when '=' then
      return coalesce(character_of(nullif(regexp_replace(small, '\s|=|\\+[rn]', '', 'g'), '')), '');
    when '\' then
      name := ltrim(small, '\');
      if name ~ '^u' then
        return character_at(('x' || right(name, 4))::bit(16)::bigint);
      elsif name ~ '^[a-z]' then
        return ' ';
      end if;
      return character_of(encode(decode(regexp_replace(small, '\\+', '\', 'g'), 'escape'), 'hex'));
    when '&' then
      name := rtrim(regexp_replace(small, '^&(amp;)*', ''), ';');
      if name ~ '^#x' then
        return character_at(('x' || lpad(substr(name, 3), 8, '0'))::bit(32)::bigint);
      elsif name ~ '^#' then
        return character_at(substr(name, 2)::bigint);
      elsif name ~ '^[a-z](grave|acute|circ|tilde|uml|ring|cedil|caron)$' then
        return normalize(left(name, 1) || case substr(name, 2)
          when 'grave' then U&'\0300' when 'acute' then U&'\0301' when 'circ' then U&'\0302' when 'tilde' then U&'\0303'
          when 'uml' then U&'\0308' when 'ring' then U&'\030a' when 'cedil' then U&'\0327' else U&'\030c'
        end, NFC);
      end if;
      return case name
        when 'commat' then '@' when 'period' then '.' when 'plus' then '+' when 'equals' then '=' when 'lowbar' then '_'
        when 'hyphen' then '-' when 'dash' then '-' when 'ndash' then '-' when 'mdash' then '-' when 'minus' then '-'
        when 'lpar' then '(' when 'rpar' then ')' when 'sol' then '/' when 'num' then '#' when 'percnt' then '%' when 'amp' then '&'
        when 'lt' then '<' when 'gt' then '>' when 'apos' then '''' when 'quot' then '"'
        when 'shy' then '' when 'zwj' then '' when 'zwnj' then '' when 'lrm' then '' when 'rlm' then '' when 'nobreak' then ''
        when 'zerowidthspace' then '' when 'negativethinspace' then ''
        else ' '
      end;
    when '<' then
      if small ~ '^< ?(at|@)' then
        return '@';
      end if;
      return case
        when small !~ '>$' then sign
        when small ~ '^</?(wbr|b|i|u|s|a|em|strong|span|font|small|big|sub|sup|tt|code|mark|bdi|bdo|ins|del|strike|abbr|o:p)[ \s/>]'
          then ''
        else ' '
      end;
    else
      return case when small ~ '@|at' then '@' else sign end;
  end case;
end $$;

-- A text in pieces: how many signs each takes, and what it says when one notation is read. Each sign is decoded once, however
-- often it stands there.
create function pieces_of(written text, stage text) returns table (place bigint, size integer, decoded text)
language sql immutable strict parallel safe as $$
  with pieces as materialized (
    select place, bit[1] as piece, length(bit[1]) > 1 and strpos(n.marks, left(bit[1], 1)) > 0 as is_sign
    from notation_of(stage) n
    cross join lateral regexp_matches(written, n.pattern, 'gi') with ordinality as bits (bit, place)
  ), signs as materialized (
    select piece, decoded_sign(piece) as decoded from (select distinct piece from pieces where is_sign) as each_once
  )
  select place, length(p.piece), case when is_sign then decoded else p.piece end
  from pieces p
  left join signs s on is_sign and s.piece = p.piece
$$;

-- Whether a text holds a mark of a notation.
create function is_marked(written text, stage text) returns boolean language sql immutable strict parallel safe as $$
  select case stage
    when 'escaped' then strpos(written, '\') > 0
    when 'percent' then strpos(written, '%') > 0
    when 'entities' then strpos(written, '&') > 0
    when 'tags' then written ~ '[<(\[{]'
    when 'attributes' then strpos(written, '<') > 0
    else strpos(written, '=') > 0
  end
$$;

-- A text with its encoded signs decoded.
create function decoded_text(written text, level integer) returns text language plpgsql immutable strict parallel safe as $$
declare
  read text := written;
  stage text;
begin
  foreach stage in array stages_of(level) loop
    if is_marked(read, stage) then
      read := (select coalesce(string_agg(decoded, '' order by place), '') from pieces_of(read, stage));
    end if;
  end loop;
  return read;
end $$;

-- How many levels of decoding can make a difference to a text.
create function levels_of(written text) returns integer language sql immutable strict parallel safe as $$
  select case
    when written !~ '[%&\\<=]|[(\[{] ?[aA@]' then 0
    when written ~ '<[/!]?[a-zA-Z][a-zA-Z0-9:]*[\s/]' then 3
    when strpos(written, '=') > 0 then 2
    else 1
  end
$$;

-- A text without whatever may stand between the parts of an address.
create function without_separators(plain text) returns text language sql immutable strict parallel safe as $$
  select translate(plain, E' \t\n\r\f\v!"#''()*+,./:;>?[\\]^_`{|}~-', '')
$$;

-- All readings of a text without whatever may stand between the parts of an address. Wherever an address is found in a text, it
-- stands here as well, and LIKE finds it much quicker.
create function squeezed(written text) returns text language plpgsql immutable strict parallel safe as $$
declare
  read text := folded_signs(written);
  zeros text;
begin
  for level in 1 .. levels_of(written) loop
    read := read || chr(31) || folded_signs(decoded_text(written, level));
  end loop;
  zeros := with_zeros(read);
  return without_separators(case when zeros = read then read else read || chr(31) || zeros end);
end $$;

-- A number without its country code, which people leave out. Country codes are told apart by their first digits; `code` is
-- empty where there is none.
create function address_parts(address text, out code text, out rest text)
language sql immutable strict parallel safe as $$
  select coalesce(number[1], ''), coalesce(number[2], ltrim(address, '+'))
  from regexp_match(
    address,
    '^\+([17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]'
      || '|2[1-689]\d|3[578]\d|42\d|5[09]\d|6[7-9]\d|8[035789]\d|9[679]\d)(\d+)$'
  ) as number
$$;

-- Patterns for LIKE that find addresses in squeezed text, also in the two ways in which the address that a bounce goes to says
-- whose mail it was.
create function address_likes(addresses text[]) returns text[] language sql immutable strict parallel safe as $$
  select coalesce(array_agg(distinct '%' || regexp_replace(without_separators(folded_signs(form)), '([\\%_])', '\\\1', 'g') || '%'), '{}')
  from unnest(addresses) as own (address)
  cross join lateral (
    select rest from address_parts(address) where strpos(address, '@') = 0
    union all
    select address where strpos(address, '@') > 0
    union all
    select unnest(array[half[1] || '=' || half[2], half[2] || '=' || half[1]])
    from regexp_match(address, '^(.*)@([^@]*)$') as half
    where half is not null
  ) as forms (form)
$$;

-- The digits by which numbers are known, and what must be so besides: a number that begins with 00 or 0 is one; any other needs
-- a + (`international`), or has to look like one, as counts, dates and ids are digits, too; countries with numbers of eight digits
-- in two halves have `halves`.
create function number_forms(addresses text[]) returns table (form text, kind text)
language sql immutable strict parallel safe as $$
  select forms.form, forms.kind
  from unnest(addresses) as own (address)
  cross join lateral address_parts(address) as part
  cross join lateral (
    values
      (case when code <> '' or address ~ '^\+' then code || rest end, 'international'),
      (case when code <> '' then code || '0' || rest end, 'international'),
      (case when code <> '' or address ~ '^\+' then '00' || code || rest end, 'national'),
      (case when code <> '' then '00' || code || '0' || rest end, 'national'),
      (case when code <> '' and length(rest) >= 6 then '0' || rest end, 'national'),
      (case when code <> '' and length(rest) >= 7 then rest end, 'bare'),
      (case when code in ('65', '502', '503', '504', '505', '506', '852', '853', '965', '968', '973', '974') and length(rest) = 8
        then rest end, 'halves'),
      (case when address ~ '^[0-9]' then address end, 'code')
  ) as forms (form, kind)
  where strpos(address, '@') = 0 and forms.form is not null
$$;

-- Whether few digits that stand in a text can be a number: they are no fraction, list or comparison, no single ones, no times from and to, no
-- date or years, no count in thousands.
create function is_short_number(written text) returns boolean language sql immutable strict parallel safe as $$
  select written !~ '^0\.|[0-9],|[0-9][ \t]+>'
    and written !~ '^[0-9]([^0-9]+[0-9])+$'
    and written !~ '^[0-2][0-9][:.h ]?[0-5][0-9][^0-9]+[0-2][0-9][:.h ]?[0-5][0-9]$'
    and written !~ '^[0-3][0-9][^0-9]*[01][0-9][^0-9]*(19|20)[0-9]{2}$'
    and written !~ '^(19|20)[0-9]{2}[^0-9]+([0-9]{2}[^0-9]*[0-9]{2}|(19|20)[0-9]{2})$'
    and written !~ '^[1-9][0-9]{0,2}([ .-][0-9]{3})+$'
$$;

-- Whether ten to fourteen digits that stand together are more likely seconds since 1970, or a day and a time.
create function is_time_stamp(digits text) returns boolean language sql immutable strict parallel safe as $$
  select digits ~ '^1[4-9][0-9]{8}$'
    or digits ~ '^20[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])[0-2][0-9][0-5][0-9]([0-5][0-9])?$'
$$;

-- Whether digits that stand in a text belong to a date, a time, the address of a host, or a UUID. `around` is the text around.
create function is_date_or_host(written text, around text) returns boolean language sql immutable strict parallel safe as $$
  select strpos(
    regexp_replace(
      around,
      '\y[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\y|(?<!\+|[0-9]|[0-9][.:/-])(?:'
        || '[12][0-9]{3}[-/.][01][0-9][-/.][0-3][0-9](?:[t ]{1,2}[0-2][0-9]:[0-5][0-9](?::[0-5][0-9](?:\.[0-9]+)?)?'
        || '(?:z|[+-][0-2][0-9](?::?[0-5][0-9])?)?)?'
        || '|[0-3]?[0-9][-/.][01]?[0-9][-/.](?:19|20)[0-9]{2}'
        || '|[0-2]?[0-9]:[0-5][0-9](?::[0-5][0-9](?:\.[0-9]+)?)?'
        || '|' || octet || '(?:\.' || octet || '){3}(?::[0-9]{1,5})?'
        || ')(?![0-9]|[.:/-][0-9])',
      chr(31), 'g'
    ),
    written
  ) = 0
  from (values ('(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])')) as part (octet)
$$;

-- Whether letters at both ends of a number, or the length of what it stands in, make it a part of an id. Words at both ends do not,
-- nor do those that join it to another number (`or`): what is hexadecimal throughout is an id. `behind` and `ahead` are the text
-- around; `inner_length` the signs of the number, if nothing stands between them.
create function is_part_of_id(behind text, ahead text, inner_length integer) returns boolean
language sql immutable strict parallel safe as $$
  select case
    when head = '' and tail = '' then false
    when length(head) + inner_length + length(tail) >= case when head || tail ~ '[g-z]' then 20 else 16 end then true
    when head ~ '[0-9]|^(sm|mm|id|ref)$' then true -- sm and mm begin the ids of texts at Twilio
    else head <> '' and tail <> '' and head || tail !~ '[g-z]'
  end
  from (values ('[a-z]{0,7}[g-z][a-z]{0,7}|a', '[0-9]{9,15}')) as part (joint, number)
  cross join lateral (
    select
      regexp_replace(substring(behind from '[a-z0-9]*$'), '^.*(?<![0-9])' || number || '(?:' || joint || ')$', '') as head,
      regexp_replace(substring(ahead from '^[a-z0-9]*'), '^(?:' || joint || ')' || number || '(?![0-9]).*$', '') as tail
  ) as joined
$$;

-- Where one of several numbers stands in a folded text: the places before its first sign, and behind its last one. At one with all
-- its digits may be letters, if they make no id of it; at others may be none, but for words like "tel".
create function numbers_in(folded text, addresses text[]) returns table (first integer, last integer)
language sql immutable strict parallel safe as $$
  with given as (
    select plain
    from with_zeros(folded) as plain
    where regexp_replace(plain, '[^0-9]+', '', 'g') like any (array(select '%' || form || '%' from number_forms(addresses)))
  ), placed as (
    select
      place, bit[1] as piece, length(bit[1]) as size, bit[1] ~ '^[0-9]' as is_digits,
      (sum(length(bit[1])) over (order by place) - length(bit[1]))::integer as start,
      lag(bit[1]) over (order by place) as before, lead(bit[1]) over (order by place) as after,
      place > 2 as follows, lead(bit[1], 2) over (order by place) is not null as goes_on,
      right(string_agg(right(bit[1], 40), '') over (order by place rows between 12 preceding and 1 preceding), 40) as behind,
      left(string_agg(left(bit[1], 40), '') over (order by place rows between 1 following and 12 following), 40) as ahead
    from given, regexp_matches(plain, '[0-9]+|[^0-9]+', 'g') with ordinality as bits (bit, place)
  ), groups as (
    select
      *,
      (sum(size) over (order by place))::integer as upto,
      count(*) filter (
        where not (follows and regexp_replace(before, '\s>[\s>]*', ' ', 'g') ~ '^[\s!"#''()*+,./:;?\[\\\]^_`{|}~-]*$')
      ) over (order by place) as chain
    from placed
    where is_digits
  ), recent as ( -- each group of digits with those before it: no number is longer
    select
      place, chain, start, start + size as last, upto - size as earlier, upto,
      right(before, 2) as before, left(after, 2) as after, behind, ahead, follows, goes_on,
      string_agg(piece, '') over nearby as digits, string_agg(coalesce(before, '') || piece, '') over nearby as written
    from groups
    window nearby as (partition by chain order by place rows between 21 preceding and current row)
  ), matches as (
    select
      f.kind, f.form, b.start as first, r.last, b.place = r.place as alone,
      coalesce(b.before, '') as before, coalesce(b.behind, '') as behind,
      coalesce(r.after, '') as after, coalesce(r.ahead, '') as ahead, b.follows, r.goes_on,
      coalesce(b.behind ~ '(^|[^a-z0-9])\+[ (]*$', false) as international,
      f.kind in ('national', 'international') and length(f.form) > 8 as whole, -- with all that makes it a number
      right(r.written, r.last - b.start) as written
    from recent r
    join number_forms(addresses) f on right(r.digits, length(f.form)) = f.form
    join recent b on b.chain = r.chain and b.earlier = r.upto - length(f.form)
  )
  select case when international and right(before, 1) = '+' then first - 1 else first end, last
  from matches
  where case
      when whole then not is_part_of_id(behind, ahead, case when written ~ '^[0-9]+$' then length(written) else 0 end)
      else after !~ '^[a-z]' and (before !~ '[a-z]$'
        or behind ~ '(^|[^a-z])(tel|telephone|phone|mob|mobile|call|text|sms|ring|number|no|fax|whatsapp|ff[oô]n|rhif)$')
    end
    and case
      when kind = 'code' then alone
      when kind = 'national' then written !~ '^0\.[0-9]+$' and behind !~ '(^|[^0-9])0\.$'
        and (length(form) >= 9 or is_short_number(written))
      when international then kind = 'international'
      when length(form) < 9 then kind in ('bare', 'halves') and is_short_number(written)
        and (
          written ~ '^[0-9]{2,3}([ .-])[0-9]{2,4}(\1[0-9]{2,4}){0,2}$'
          or kind = 'halves' and written ~ '^[0-9]{4}[ -][0-9]{4}$'
        )
        and not (follows and before ~ '^.?$') and not (goes_on and after ~ '^.?$')
      when alone then not (follows and before = '.') and not (goes_on and after = '.') and not is_time_stamp(written)
        and not (kind = 'bare' and behind ~ '(^|[^a-z])(id|order|ref|reference|invoice|ticket)["''. :#=]*$')
      else written ~ '^[0-9]+([\s().-]{1,3}[0-9]+)*$' and written !~ '^[0-9]([^0-9]+[0-9])*$'
        and not (follows and before ~ '^[-./:,]$') and not (goes_on and after ~ '^[-./:,]$')
    end
    and (kind = 'international' and international or not is_date_or_host(written, behind || written || ahead))
$$;

-- A regular expression for white space, with the marks of a quoted line.
create function quoted_space() returns text language sql immutable parallel safe as $$
  select '(?:\s[\s>]*)?'
$$;

-- A regular expression for a name or domain, with spaces around its dots.
create function spread(written text) returns text language sql immutable strict parallel safe as $$
  select replace(regexp_replace(written, '([^[:alnum:]])', '\\\1', 'g'), '\.', quoted_space() || '\.' || quoted_space())
$$;

-- Whether a mailbox that ends at a text is a part of a longer one: of what stands directly before it, only signs at its beginning,
-- two dots, the number of an entry in a list, and a name or label that a dash joins to it (`Amy-zeb@…`) are none of it; `name` is
-- its own as it was written.
create function is_longer_before(behind text, name text) returns boolean language sql immutable strict parallel safe as $$
  select tail ~ '[^_.+-]' and tail !~ '\.\.$' and tail !~ '^[0-9]{1,3}\.$'
    and tail !~* '^(e-?mail|mail|contact|address|e-?bost|cyfeiriad)-+$'
    and not (tail ~ '^[[:upper:]][[:lower:]]+-+$' and name !~ '^"?[[:upper:]]')
  from (select substring(behind from '[\w.+-]*$') as tail) as directly
$$;

-- Whether letters directly behind a domain may make another one of it: a top-level domain that begins with its own, as `organic` does
-- with `org`. With one of two letters most do; of words behind a dot, those that are none are known.
create function is_longer_domain(domain text, word text) returns boolean language sql immutable strict parallel safe as $$
  select case
    when word ~ '^\.' then word ~ ('^\.(?:[a-z]{2}|com|org|net|gov|edu|mil|int|info|biz|name|pro|coop|museum|aero|mobi|app|dev|online'
      || '|site|shop|store|club|xyz|wales|cymru|scot|london|example|test|invalid|local|localhost)$')
    when own ~ '^(?:uk|us|nz)$' then false
    when own ~ '^(?:ie|eu)$' then own || word ~ '^(?:ieee|eus|eurovision)$'
    when length(own) = 2 then true
    else own || word ~ ('^(?:com(?:mbank|munity|pany|pare|puter|sec)|organic|net(?:bank|flix|work)|pro(?:d|ductions|f|gressive|mo'
      || '|perties|perty|tection)|int(?:ernational|uit)|education|arte|apple|car(?:avan|ds|e|eers?|s)|bar(?:celona|claycard|clays'
      || '|efoot|gains)|cat(?:ering|holic)|win(?:dows|e|ners)|lawyer|pets|photo(?:graphy|s)|technology|travel(?:ers|guard)|menu|fund'
      || '|localhost|test(?:ing)?)$')
  end
  from (select lower(substring(domain from '[[:alpha:]]+$')) as own) as top_level
$$;

-- Whether one that a text follows is: words behind a dot, or at once, go on, unless a capital begins a sentence there
-- (`…@example.org.Thanks`) or no domain ends with them (`…@example.orgthanks`); `domain` is as it was written.
create function is_longer_behind(domain text, ahead text) returns boolean language sql immutable strict parallel safe as $$
  select ahead ~ '^[.-]?[[:alnum:]]'
    and not (
      domain ~ '\.[a-z]+$'
      and (
        ahead ~ '^\.?[A-Z][a-z]+' and ahead !~* '^\.([a-z]{2}|com|org|net|gov|edu|info|coop)(?![a-z])'
        or ahead ~ '^\.[A-Z](?![a-zA-Z0-9])'
        or not is_longer_domain(domain, substring(ahead from '^\.?[a-z]+(?![[:alnum:]_]|[.-]+[[:alnum:]])'))
      )
    ) is true
$$;

-- Where one of several mailboxes stands in a text that is folded but for its capitals: no part of a longer one, but also as a part
-- of the address that a bounce is sent to, where it says whose mail it was. At `edges`, no mailbox goes on: signs stood there
-- that are in none, or that are not seen.
create function mailboxes_in(cased text, edges integer[], addresses text[]) returns table (first integer, last integer)
language sql immutable strict parallel safe as $$
  with pieces as (
    select
      place, piece as cased, lower(piece) as piece, lower(lead(piece) over (order by place)) as next,
      lead(piece) over (order by place) as next_cased,
      (sum(length(piece) + 1) over (order by place) - 1)::integer as at_place -- how many signs stand before the @
    from string_to_table(cased, '@') with ordinality as cut (piece, place)
  ), own as (
    select folded_signs(half[1]) as name, folded_signs(half[2]) as domain
    from unnest(addresses) as given (address)
    cross join lateral regexp_match(address, '^(.*)@([^@]*)$') as half
    where half is not null
  ), sides as (
    select
      at_place, p.cased, p.next_cased,
      substring(
        right(p.piece, 600) from '(?:"' || spread(own.name) || '"|' || spread(own.name) || ')' || quoted_space() || '$'
      ) as left_side,
      substring(left(p.next, 600) from '^' || quoted_space() || spread(own.domain)) as right_side
    from pieces p
    join own on right(translate(right(p.piece, 600), E' \t\r\n">', ''), length(own.name)) = replace(own.name, '"', '')
      and left(translate(left(p.next, 600), E' \t\r\n>', ''), length(own.domain)) = own.domain
    where p.next is not null
  ), whole as (
    select
      at_place - length(left_side) as first, at_place + 1 + length(right_side) as last,
      right(left(right(cased, 700), -length(left_side)), 64) as behind, right(cased, length(left_side)) as name,
      left(next_cased, length(right_side)) as domain,
      substr(next_cased, length(right_side) + 1, 40) as ahead
    from sides
    where left_side is not null and right_side is not null
  )
  select first, last
  from whole
  where (first = any (edges) or not is_longer_before(behind, name)) and (last = any (edges) or not is_longer_behind(domain, ahead))
  union all
  select p.at_place - length(f.form), p.at_place
  from pieces p
  cross join own
  cross join lateral (
    values (own.name || '=' || own.domain, '[\w.]'), (own.domain || '=' || own.name, '[\w.-]')
  ) as f (form, not_before)
  where p.next is not null and right(p.piece, length(f.form)) = f.form
    and right(left(right(p.piece, 700), -length(f.form)), 1) !~ f.not_before
$$;

-- Where addresses stand in a text that is read in some notations, one after another, and folded at last.
create function addresses_at(written text, stages text[], addresses text[]) returns int4multirange
language plpgsql immutable strict parallel safe as $$
declare
  stage constant text := stages[1];
  plain text;
  starts integer[];   -- of each piece, in the text
  sizes integer[];
  places integer[];   -- of what it says, in the plain text
  lengths integer[];
  edges integer[];    -- in the plain text: where signs stood that are in no mailbox
  inner_places int4multirange;
begin
  if stage is null and octet_length(written) = length(written) then
    return (
      select coalesce(range_agg(int4range(at.first, at.last)), '{}')
      from (
        select * from numbers_in(lower(written), addresses) union all select * from mailboxes_in(written, '{}', addresses)
      ) at
    );
  end if;
  if stage is not null and not is_marked(written, stage) then
    return addresses_at(written, stages[2:], addresses);
  end if;
  with pieces as (
    select *, false as is_edge from pieces_of(written, stage) where stage is not null
    union all
    select place, length(bit[1]), plain_signs(bit[1]),
      bit[1] ~ '^[^\x01-\x7f\uff01-\uff5e\u2010\u2011\u2024\u3002]' and plain_signs(bit[1]) !~ '[[:alnum:]@]'
    from regexp_matches(
      written,
      '[\x01-\x7f]+(?![^\x01-\x7f])|[' || unseen_signs() || ']+|.[' || chr(768) || '-' || chr(879) || ']*', 'g'
    ) with ordinality as bits (bit, place)
    where stage is null
  ), placed as (
    select
      *, sum(size) over (order by place) - size as start, sum(length(decoded)) over (order by place) - length(decoded) as spot
    from pieces
  )
  select
    coalesce(string_agg(decoded, '' order by place), ''), array_agg(start order by place), array_agg(size order by place),
    array_agg(spot order by place), array_agg(length(decoded) order by place),
    coalesce(array_agg(spot order by place) filter (where is_edge), '{}')
      || coalesce(array_agg(spot + length(decoded) order by place) filter (where is_edge), '{}')
  into plain, starts, sizes, places, lengths, edges
  from placed;
  if stage is null then
    inner_places := (
      select range_agg(int4range(at.first, at.last))
      from (
        select * from numbers_in(lower(plain), addresses) union all select * from mailboxes_in(plain, edges, addresses)
      ) at
    );
  else
    inner_places := addresses_at(plain, stages[2:], addresses);
  end if;
  return (
    with arrays as materialized ( -- as plain values: a variable's array is copied whenever it is looked into
      select starts as start_at, sizes as size_at, places as place_at, lengths as length_at
    )
    select coalesce(
      range_agg(int4range(
        start_at[head] + case when size_at[head] = length_at[head] then lower(span) - place_at[head] else 0 end,
        start_at[tail] + case when size_at[tail] = length_at[tail] then upper(span) - place_at[tail] else size_at[tail] end
      )),
      '{}'
    )
    from arrays
    cross join unnest(inner_places) as span
    cross join lateral (
      select width_bucket(lower(span), place_at) as head, width_bucket(upper(span) - 1, place_at) as tail
    ) as at
  );
end $$;

-- Where addresses stand in a text, in whatever notation.
create function addresses_in(written text, addresses text[]) returns int4multirange
language plpgsql immutable strict parallel safe as $$
declare
  ranges int4multirange := '{}';
begin
  if cardinality(addresses) > 0 then
    for level in 0 .. levels_of(written) loop
      ranges := ranges + addresses_at(written, stages_of(level), addresses);
    end loop;
  end if;
  return ranges;
end $$;

-- Whether a text names one of several addresses.
create function names_address(written text, addresses text[]) returns boolean language sql immutable strict parallel safe as $$
  select not isempty(addresses_in(written, addresses))
$$;

-- The text without them. It is read sign by sign: a part of a long text is found by counting from its beginning, which would
-- be done anew for each address.
create function without_addresses(written text, addresses text[]) returns text language sql immutable strict parallel safe as $$
  select case
    when isempty(ranges) then written
    else (
      select string_agg(
        case when not ranges @> place then sign when place = 0 or not ranges @> place - 1 then 'erased' else '' end,
        '' order by place
      )
      from (
        select sign, (ordinality - 1)::integer as place from string_to_table(written, null) with ordinality as signs (sign)
      ) as placed
    )
  end
  from addresses_in(written, addresses) as ranges
$$;

-- All texts and numbers in a document, keys too, as they are and not as JSON writes them: there, a line break before a word
-- is the letter n. Between them is a sign that stands in no address, so that two of them never make one.
create function jsonb_words(document jsonb) returns text language sql immutable parallel safe as $$
  select coalesce(string_agg(word, chr(31)), '') from (
    select value #>> '{}' from jsonb_path_query(document, 'strict $.**') as value
    where jsonb_typeof(value) in ('string', 'number')
    union all
    select key #>> '{}' from jsonb_path_query(document, 'strict $.** ? (@.type() == "object").keyvalue().key') as key
  ) as parts (word)
$$;

-- The document without addresses in any text of it. A number that is one becomes a text.
create function jsonb_without(document jsonb, addresses text[]) returns jsonb language plpgsql immutable parallel safe as $$
begin
  return case jsonb_typeof(document)
    when 'object' then (
      select coalesce(jsonb_object_agg(without_addresses(key, addresses), jsonb_without(value, addresses)), '{}')
      from jsonb_each(document)
    )
    when 'array' then (
      select coalesce(jsonb_agg(jsonb_without(value, addresses) order by place), '[]')
      from jsonb_array_elements(document) with ordinality as e (value, place)
    )
    when 'string' then to_jsonb(without_addresses(document #>> '{}', addresses))
    when 'number' then case when names_address(document #>> '{}', addresses) then to_jsonb('erased'::text) else document end
    else document
  end;
end $$;

-- A whole normalised mailbox or number, which nobody else's text can pass for; a short code finds nothing but itself.
create function is_whole_address(channel text, address text) returns boolean language sql immutable strict parallel safe as $$
  select case channel
    when 'email' then address ~ '^[^\s@<>"(),;:\\]+@[^\s@.<>"(),;:\\]+(\.[^\s@.<>"(),;:\\]+)+$'
    when 'sms' then address ~ '^\+[1-9][0-9]{6,14}$' or address ~ '^[0-9]{3,8}$'
    else false
  end
$$;

grant execute on function
  unseen_signs, plain_signs, folded_signs, with_zeros, character_of, character_at, notation_of, stages_of,
  decoded_sign, pieces_of, is_marked, decoded_text, levels_of, without_separators, squeezed, address_parts, address_likes,
  number_forms, is_short_number, is_time_stamp, is_date_or_host, is_part_of_id, numbers_in, quoted_space, spread, is_longer_before,
  is_longer_domain, is_longer_behind, mailboxes_in, addresses_at, addresses_in,
  names_address, without_addresses, jsonb_words, jsonb_without to public;

-- migrate:down
