-- name: unfed
-- Whether anything waits to be numbered; an index of an almost always empty table.
select exists (select from claim_unfed);

-- name: hold
-- One numberer at a time, and the next only after this one has committed: so a reader who has seen a number has also
-- seen every lower one. A statement of its own: the next one must look only once the lock is ours.
select pg_advisory_xact_lock(hashtextextended('turnout feed', 0));

-- name: number
-- Gives every claim that has been committed its place. One still being recorded is not seen, and comes after these.
with fed as (
  delete from claim_unfed returning claim_id
)
insert into turnout_change (ballot_id, claim_id)
select c.ballot_id, c.claim_id from fed join claim c using (claim_id) order by c.claim_id;

-- name: changes
-- What happened after a place in the feed, and where each member stands as of now.
select
  t.seq, c.claim_id, c.ballot_id, c.person_id, p.external_id, e.unit_id, c.kind, c.source, c.recorder,
  c.confidence, c.at, c.message_id, c.retracts, s.kind as standing
from turnout_change t
join claim c using (claim_id)
join person p using (person_id)
left join elector e on e.ballot_id = c.ballot_id and e.person_id = c.person_id
left join standing s on s.ballot_id = c.ballot_id and s.person_id = c.person_id
where t.ballot_id = $1 and t.seq > $2
order by t.seq
limit $3;

-- name: last
-- Where the feed ends now.
select coalesce(max(seq), 0) from turnout_change
