-- name: has_unnumbered_claims
-- Whether any claim waits to be numbered; cheap, because the table is almost always empty.
select exists (select from feed_backlog);

-- name: lock_feed
-- Lets one transaction number claims at a time, the next only after this one has committed, so that a reader who has
-- seen a number has also seen every lower one. A separate statement, because `number_claims` must read after the lock
-- is taken.
select pg_advisory_xact_lock(hashtextextended('turnout feed', 0));

-- name: number_claims
-- Numbers every committed claim. A claim that is still being recorded is not seen, and gets a later number.
with fed as (
  delete from feed_backlog returning claim_id
)
insert into turnout_change (ballot_id, claim_id)
select c.ballot_id, c.claim_id from fed join claim c using (claim_id) order by c.claim_id;

-- name: read_changes
-- The changes after a position in the feed, with each member's status as of now.
select
  t.seq, c.claim_id, c.ballot_id, c.person_id, p.external_id as member_id, e.unit_id, c.kind, c.source, c.recorder,
  c.confidence, c.at, c.message_id, c.retracts, s.kind as status
from turnout_change t
join claim c using (claim_id)
join person p using (person_id)
left join elector e on e.ballot_id = c.ballot_id and e.person_id = c.person_id
left join claim_status s on s.ballot_id = c.ballot_id and s.person_id = c.person_id
where t.ballot_id = $1 and t.seq > $2
order by t.seq
limit $3;
