-- name: find_by_number
-- The people with these membership numbers.
select external_id, person_id from person where external_id = any ($1::text[]);

-- name: find_by_address
-- Everybody who has these addresses, with their names.
select a.channel, a.address, a.person_id, p.first_name, p.last_name
from unnest($1::text[], $2::text[]) as n (channel, address)
join address a on a.channel = n.channel and a.address = n.address
join person p on p.person_id = a.person_id;

-- name: find_electors
-- The electors among these people.
select person_id from elector where ballot_id = $1 and person_id = any ($2::bigint[]);
