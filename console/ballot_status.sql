-- name: list_ballots
-- Current ballots: closed no more than two weeks ago, the one that closes next first.
select
  ballot_id, name, title, organisation, opens_at, closes_at, last_posting_at, replacement_by, time_zone,
  disaggregated, constituency
from ballot
where closes_at > $1::timestamptz - interval '14 days'
order by closes_at < $1, closes_at, ballot_id
limit 6;

-- name: find_ballot
-- One ballot, by its name.
select
  ballot_id, name, title, organisation, opens_at, closes_at, last_posting_at, replacement_by, time_zone,
  disaggregated, constituency
from ballot
where name = $1;

-- name: count_votes_by_day
-- Members with the status voted, by the local day of their claim, since a given time.
select date_trunc('day', c.at at time zone $2)::date as day, count(*) as n
from claim_status s
join claim c using (claim_id)
where s.ballot_id = $1 and s.kind = 'voted' and c.at > $3
group by 1
order by 1;
