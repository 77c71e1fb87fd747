-- name: search_people
-- Members of the whole organisation who match; the function says how.
select * from people_matching(true, '{}', true, '{}', $1::text[], $2, $3, $4::text[], $5::text[], $6);

-- name: find_holders
-- Everybody who has one of some addresses.
select distinct a.channel, a.address, p.person_id, p.external_id
from unnest($1::text[], $2::text[]) as given (channel, address)
join address a using (channel, address)
join person p using (person_id)
order by p.person_id;
