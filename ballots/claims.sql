-- name: lock_status
-- Lets one claim at a time be recorded for a member and ballot, so that two never both see "has not voted yet". The
-- shared lock keeps an enrolment of the whole ballot from counting in between. The locks are advisory, because an
-- import may have locked the person's row.
select
  b.goal_id,
  exists (select from person where person_id = $2) as known,
  pg_advisory_xact_lock_shared(hashtextextended('ballot:' || $1::bigint, 0)),
  pg_advisory_xact_lock(hashtextextended('claim:' || $1::bigint || ':' || $2::bigint, 0))
from ballot b
where b.ballot_id = $1;

-- name: add_claim
-- Adds a claim to the ledger, and to the claims that the feed has not numbered yet.
with added as (
  insert into claim (ballot_id, person_id, kind, source, recorder, confidence, at, message_id, retracts)
  values ($1, $2, $3, $4, $5, $6, coalesce($7, now()), $8, $9)
  returning claim_id
)
insert into feed_backlog (claim_id) select claim_id from added returning claim_id;

-- name: update_status
-- Recomputes the status of members and writes the differences as rows of +1 and -1, so that nobody waits for a counter.
-- Returns members whose status has changed.
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
), removed as (
  delete from claim_status
  where ballot_id = $1 and person_id in (select person_id from before except select person_id from best)
), moved as (
  select person_id, f.kind as before, b.kind as now
  from best b
  full join before f using (person_id)
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

-- name: find_claim
-- A claim, and the claim that retracts it, if any.
select c.ballot_id, c.person_id, c.kind, undone.claim_id as retracted_by
from claim c
left join claim undone on undone.retracts = c.claim_id
where c.claim_id = $1;

-- name: find_claim_by_link
-- The latest claim made by this message's link that has not been retracted.
select c.claim_id, c.at
from claim c
where c.ballot_id = $1 and c.person_id = $2 and c.message_id = $3 and c.source = 'link' and c.retracts is null
  and not exists (select from claim undone where undone.retracts = c.claim_id)
order by c.claim_id desc
limit 1;
