-- name: add_claims
-- As `claims.add_claim`, for many claims at once.
with added as (
  insert into claim (ballot_id, person_id, kind, source, recorder, confidence, at)
  select $1, n.person_id, n.kind, $2, $3, n.confidence, n.at
  from unnest($4::bigint[], $5::text[], $6::real[], $7::timestamptz[]) with ordinality as n (person_id, kind, confidence, at, n)
  order by n.n
  returning claim_id
), noted as (
  insert into feed_backlog (claim_id) select claim_id from added
)
select count(*) from added;
