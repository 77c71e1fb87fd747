-- name: search_people
-- Members who have every word in their name or number, this very number, one of these addresses, or an address with
-- these characters in it, or with those. Each by an index of its own, hence one after the other; the member with the
-- number comes first.
with hit as (
  select person_id from person
  where folded(first_name || ' ' || last_name || ' ' || external_id) like $1
    and folded(first_name || ' ' || last_name || ' ' || external_id) like $2
    and folded(first_name || ' ' || last_name || ' ' || external_id) like $3
  union
  select person_id from person where external_id = $4
  union
  select person_id from address where address = any ($5::text[])
  union
  select person_id from address where address like $6
  union
  select person_id from address where address like $7
)
select
  p.person_id, p.external_id, trim(p.first_name || ' ' || p.last_name) as name, coalesce(u.name, '') as unit, p.left_at,
  array(
    select a.address from address a where a.person_id = p.person_id order by a.channel desc, a.rank, a.address_id
  ) as addresses
from hit
join person p using (person_id)
left join unit u using (unit_id)
where p.erased_at is null
order by p.external_id <> $4, p.last_name, p.first_name, p.person_id
limit $8;

-- name: find_holders
-- Everybody who has one of some addresses.
select distinct a.channel, a.address, p.person_id, p.external_id
from unnest($1::text[], $2::text[]) as given (channel, address)
join address a using (channel, address)
join person p using (person_id)
order by p.person_id;
