-- name: find_person
-- One member by membership number.
select
  person_id, external_id, first_name, last_name, unit_id, language, time_zone, attributes, created_at, updated_at, left_at
from person where external_id = $1;

-- name: list_addresses
-- Addresses in the order they are tried, each with the suppression in force: the address's own, or the person's for
-- every address.
select a.channel, a.address, s.purpose, s.reason
from address as a
left join lateral (
  select purpose, reason from suppression
  where (channel, address) in ((a.channel, a.address), ('person', a.person_id::text))
  order by purpose = 'all' desc, since limit 1
) as s on true
where a.person_id = $1
order by a.channel desc, a.rank, a.address_id;

-- name: list_names
-- Names and numbers of people who were not erased.
select person_id, external_id, trim(first_name || ' ' || last_name) as name
from person where person_id = any ($1::bigint[]) and erased_at is null;

-- name: list_names_by_number
-- The same by their membership numbers.
select external_id, trim(first_name || ' ' || last_name) as name
from person where external_id = any ($1::text[]) and erased_at is null;

-- name: list_similar_numbers
-- Numbers similar to one that nobody has: another case, or zeros lost in a spreadsheet.
select external_id from person
where erased_at is null and (lower(external_id) = lower($1) or ltrim(external_id, '0') = ltrim($1, '0'))
order by external_id limit 3;

-- name: has_people
-- Whether there is anybody yet.
select exists (select from person);

-- name: count_people
-- Every member, and how they can be reached; without people who have left or were erased.
select count(*) as people,
       count(*) filter (where r.sms) as sms,
       count(*) filter (where r.email) as email,
       count(*) filter (where not (r.sms or r.email)) as unreachable
from person as p
cross join lateral (
  select coalesce(bool_or(a.channel = 'sms'), false) as sms, coalesce(bool_or(a.channel = 'email'), false) as email
  from address as a where a.person_id = p.person_id
) as r
where p.struck_off_at is null;
