-- name: list_units
-- The names from the top down, for each unit.
select unit_id, unit_path(lineage) as path from unit;

-- name: list_members
-- The electorate, and everybody else with a status in the ballot, read through a cursor, a page at a time. Each status is
-- looked up by its whole key (`limit 1`), also while statistics do not know the ballot.
select
  p.external_id as member_id, who.unit_id, who.elector, s.kind as status, s.source, c.confidence, c.at, s.claim_id
from (
  select e.person_id, e.unit_id, true as elector from elector e where e.ballot_id = $1
  union all
  select o.person_id, null, false from claim_status o
  where o.ballot_id = $1 and (
    select count(*) from (select from elector e where e.ballot_id = $1 and e.person_id = o.person_id limit 1) as elector
  ) = 0
) as who
join person p using (person_id)
left join lateral (
  select s.kind, s.source, s.claim_id from claim_status s where s.ballot_id = $1 and s.person_id = who.person_id limit 1
) as s on true
left join claim c on c.claim_id = s.claim_id
order by who.person_id;

-- name: find_last_position
-- The last position in the feed as of this snapshot.
select coalesce(max(seq), 0) from turnout_change where ballot_id = $1;
