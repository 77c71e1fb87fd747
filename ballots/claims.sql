-- name: hold
-- One claim at a time for one member and ballot, so that two never both see "has not voted yet"; the shared lock keeps
-- an enrolment of the whole ballot from counting in between. Advisory locks, as an import may have locked the person's
-- row.
select
  b.goal_id,
  exists (select from person where person_id = $2) as known,
  pg_advisory_xact_lock_shared(hashtextextended('ballot:' || $1::bigint, 0)),
  pg_advisory_xact_lock(hashtextextended('claim:' || $1::bigint || ':' || $2::bigint, 0))
from ballot b
where b.ballot_id = $1;

-- name: add_claim
-- Adds a claim to the ledger, and notes that the feed has not numbered it yet.
with added as (
  insert into claim (ballot_id, person_id, kind, source, recorder, confidence, at, message_id, retracts)
  values ($1, $2, $3, $4, $5, $6, coalesce($7, now()), $8, $9)
  returning claim_id
)
insert into feed_backlog (claim_id) select claim_id from added returning claim_id;

-- name: update_status
-- Recomputes the member's status and writes the difference as rows of +1 and -1, so that nobody waits for a counter.
with ranking as (
  select * from unnest($3::text[], $4::text[], $5::int[]) as r (kind, source, strength)
), best as (
  select c.claim_id, c.kind, c.source
  from claim c
  join ranking using (kind, source)
  where c.ballot_id = $1 and c.person_id = $2
    and not exists (select from claim undone where undone.retracts = c.claim_id)
  order by ranking.strength desc, c.at desc, c.claim_id desc
  limit 1
), before as (
  select kind from claim_status where ballot_id = $1 and person_id = $2
), placed as (
  insert into claim_status (ballot_id, person_id, claim_id, kind, source)
  select $1, $2, claim_id, kind, source from best
  on conflict (ballot_id, person_id) do update
    set claim_id = excluded.claim_id, kind = excluded.kind, source = excluded.source
    where claim_status.claim_id <> excluded.claim_id
), removed as (
  delete from claim_status where ballot_id = $1 and person_id = $2 and not exists (select from best)
), counted as (
  insert into count_change (ballot_id, unit_id, measure, n)
  select e.ballot_id, e.unit_id, change.kind, change.n
  from elector e
  cross join (select kind, 1 as n from best union all select kind, -1 from before) change
  where e.ballot_id = $1 and e.person_id = $2
    and (select kind from before) is distinct from (select kind from best)
)
select (select kind from before) as before, (select kind from best) as now;

-- name: find_claim
-- A claim, and the claim that retracts it, if any.
select c.ballot_id, c.person_id, c.kind, undone.claim_id as retracted_by
from claim c
left join claim undone on undone.retracts = c.claim_id
where c.claim_id = $1;
