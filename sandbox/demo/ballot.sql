-- name: list_voters
-- Members with the status voted.
select person_id from claim_status where ballot_id = $1 and kind = 'voted';

-- name: count_claim_statuses
-- Members by status, each counted once, by the source that decided.
select kind, source, count(*) as n from claim_status where ballot_id = $1 group by kind, source order by kind, source;
