-- name: ballot
-- What a score is judged by.
select ballot_id, opens_at, closes_at, last_posting_at, threshold, over_report, disaggregated, constituency
from ballot where ballot_id = $1;

-- name: rates
-- Confirmations since a moment, by the unit the member is in: who stands as voted by a claim made after it.
select e.unit_id, count(*) as n
from standing s
join claim c using (claim_id)
join elector e on e.ballot_id = s.ballot_id and e.person_id = s.person_id
where s.ballot_id = $1 and s.kind = 'voted' and c.at > $2
group by e.unit_id;

-- name: constituency_of
-- Which constituency the electors of each unit count in.
select u.unit_id, k.unit_id as constituency_id
from unit u
join unit k on k.unit_id = any (u.lineage)
where k.kind = $1
