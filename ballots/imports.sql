-- name: find_statuses
-- Each member's status, and what the same source said about them last.
select who.person_id, s.kind, s.source, c.at, latest.kind as previous_kind
from unnest($2::bigint[]) as who (person_id)
left join claim_status s on s.ballot_id = $1 and s.person_id = who.person_id
left join claim c on c.claim_id = s.claim_id
left join lateral (
  select c.kind from claim c
  where c.ballot_id = $1 and c.person_id = who.person_id and c.source = $3 and c.retracts is null
    and not exists (select from claim undone where undone.retracts = c.claim_id)
  order by c.at desc, c.claim_id desc
  limit 1
) as latest on true;
