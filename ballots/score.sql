-- name: read_ballot
-- The ballot's dates, threshold and correction, from which a score is computed.
select ballot_id, opens_at, closes_at, last_posting_at, threshold, over_report, disaggregated, constituency
from ballot where ballot_id = $1;

-- name: count_recent_confirmations
-- Confirmations since a moment, by the elector's unit: members whose voted status comes from a claim made after it.
-- Each elector is looked up by the whole key (`limit 1`), also while statistics do not know the ballot.
select e.unit_id, count(*) as n
from claim_status s
join claim c using (claim_id)
cross join lateral (
  select e.unit_id from elector e where e.ballot_id = s.ballot_id and e.person_id = s.person_id limit 1
) as e
where s.ballot_id = $1 and s.kind = 'voted' and c.at > $2
group by e.unit_id;

-- name: find_constituencies
-- The constituency in which the electors of each unit count.
select u.unit_id, k.unit_id as constituency_id
from unit u
join unit k on k.unit_id = any (u.lineage)
where k.kind = $1;
