-- name: members
-- Whose membership numbers these are, from when on they are no members, and whether they have been struck off.
select external_id, person_id, left_at, struck_off_at from person where external_id = any ($1::text[]) and erased_at is null;

-- name: leave
-- From when on they are no members. A date that is corrected before they are struck off counts; after that it is when
-- they left, and stays, however often a list names them.
update person p set left_at = given.at, updated_at = $3
from unnest($1::bigint[], $2::timestamptz[]) as given (person_id, at)
where p.person_id = given.person_id and p.struck_off_at is null;

-- name: due
-- Whose date has come.
select person_id from person where left_at <= $1 and struck_off_at is null order by person_id;

-- name: ballots
-- Ballots that are not over in which any of these vote.
select distinct b.ballot_id
from ballot b
join elector e using (ballot_id)
where b.closes_at > $2 and e.person_id = any ($1::bigint[])
order by b.ballot_id;

-- name: open_ballots
-- Ballots that are not over.
select ballot_id from ballot where closes_at > $1 order by ballot_id;

-- name: strike_off
-- Members no longer: from here on no query for members finds them.
update person set struck_off_at = $2 where person_id = any ($1::bigint[]);

-- name: leave_ballot
-- An electorate that is not over does without them; one that is over keeps them, so that its counts stay as they were.
delete from elector where ballot_id = $1 and person_id = any ($2::bigint[]);

-- name: come_back
-- Members again, as if they had never left.
update person set left_at = null, struck_off_at = null, updated_at = $2
where person_id = any ($1::bigint[]) and left_at is not null and erased_at is null
returning external_id, person_id;

-- name: audit
-- Who did what to whom.
insert into audit (actor, action, subject, detail)
select $1, $2, s.subject, s.detail from unnest($3::text[], $4::jsonb[]) as s (subject, detail);

-- name: close_numbers
-- Whose number may be meant by one that nobody has: in another case, with zeros before it, or only its last digits.
select external_id from person
where erased_at is null
  and (lower(external_id) = lower($1) or ltrim(external_id, '0') = ltrim($1, '0') or (length($1) > 1 and right(external_id, length($1)) = $1))
order by external_id limit 4;
