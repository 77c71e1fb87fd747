-- name: find_members
-- The members with these numbers, the date from which each is no longer a member, and whether they are struck off.
select external_id, person_id, left_at, struck_off_at from person where external_id = any ($1::text[]) and erased_at is null;

-- name: list_ballots
-- Open ballots in which any of these people vote.
select distinct b.ballot_id
from ballot b
join elector e using (ballot_id)
where b.closes_at > $2 and e.person_id = any ($1::bigint[])
order by b.ballot_id;

-- name: list_open_ballots
-- Ballots that have not closed.
select ballot_id from ballot where closes_at > $1 order by ballot_id;

-- name: leave_ballot
-- Removes them from the electorate of an open ballot; a closed one keeps them, so that its counts do not change.
delete from elector where ballot_id = $1 and person_id = any ($2::bigint[]);

-- name: list_ballots_after
-- Ballots that close after a person's coming leaving date, and after $2 if it is given. In ballots that close before,
-- the person keeps their vote.
select b.ballot_id
from person p
join elector e using (person_id)
join ballot b using (ballot_id)
where p.person_id = $1 and p.struck_off_at is null and p.left_at is not null
  and b.closes_at > greatest(p.left_at, $2::timestamptz)
order by b.ballot_id;

-- name: record_audit
-- Records who did what to which person, by id, because a membership number may be given to somebody else.
select record_audit($1, $2, 'person ' || p.person_id, s.detail)
from unnest($3::text[], $4::jsonb[]) with ordinality as s (external_id, detail, n)
join person p using (external_id)
order by s.n;

-- name: list_similar_numbers
-- Numbers similar to one that nobody has: the same in another case, with leading zeros, or at the end of a longer
-- number.
select external_id from person
where erased_at is null
  and (lower(external_id) = lower($1) or ltrim(external_id, '0') = ltrim($1, '0') or (length($1) > 1 and right(external_id, length($1)) = $1))
order by external_id limit 4;
