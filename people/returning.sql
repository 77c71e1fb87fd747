-- name: list_arrivals
-- The addresses of everybody a file has brought or changed, and the numbers of new people, each with its person.
select distinct a.channel, a.address, a.address as meant
from staged_person s
join person p using (external_id)
join address a on a.person_id = p.person_id
where s.person_id is null or s.changed
union all
select 'person', s.external_id, p.person_id::text
from staged_person s
join person p using (external_id)
where s.person_id is null;

-- name: find_member
-- A member by their number, and where they can be reached.
select
  p.person_id,
  array(select array[a.channel, a.address] from address a where a.person_id = p.person_id) as addresses
from person p
where p.external_id = $1 and p.erased_at is null;

-- name: find_owners
-- The members of a file who have these addresses, or are listed as a person themselves.
select distinct p.external_id
from staged_person s
join person p using (external_id)
left join address a on a.person_id = p.person_id
join unnest($1::text[], $2::text[]) as place (channel, address)
  on (place.channel, place.address) in ((a.channel, a.address), ('person', p.person_id::text))
order by p.external_id;
