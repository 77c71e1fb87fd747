-- name: add
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

-- name: update_status
-- As `claims.settle`, for many members at once: recomputes each one's status and writes the differences as rows.
with ranking as (
  select * from unnest($3::text[], $4::text[], $5::int[]) as r (kind, source, strength)
), best as (
  select distinct on (c.person_id) c.person_id, c.claim_id, c.kind, c.source
  from unnest($2::bigint[]) as who (person_id)
  join claim c on c.ballot_id = $1 and c.person_id = who.person_id
  join ranking using (kind, source)
  where not exists (select from claim undone where undone.retracts = c.claim_id)
  order by c.person_id, ranking.strength desc, c.at desc, c.claim_id desc
), before as (
  select s.person_id, s.kind from unnest($2::bigint[]) as who (person_id)
  join claim_status s on s.ballot_id = $1 and s.person_id = who.person_id
), placed as (
  insert into claim_status (ballot_id, person_id, claim_id, kind, source)
  select $1, person_id, claim_id, kind, source from best order by person_id
  on conflict (ballot_id, person_id) do update
    set claim_id = excluded.claim_id, kind = excluded.kind, source = excluded.source
    where claim_status.claim_id <> excluded.claim_id
), moved as (
  select b.person_id, f.kind as before, b.kind as now
  from best b left join before f using (person_id)
  where f.kind is distinct from b.kind
), counted as (
  insert into count_change (ballot_id, unit_id, measure, n)
  select e.ballot_id, e.unit_id, change.kind, sum(change.n)
  from moved m
  join elector e on e.ballot_id = $1 and e.person_id = m.person_id
  cross join lateral (values (m.now, 1), (m.before, -1)) as change (kind, n)
  where change.kind is not null
  group by e.ballot_id, e.unit_id, change.kind
  having sum(change.n) <> 0
)
select person_id, before, now from moved order by person_id;
