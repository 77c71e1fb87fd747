-- name: set_dates
-- Sets the date from which people are no longer members. It can be corrected until they are struck off; after that it
-- stays, even if a list names them again.
update person p set left_at = given.at, updated_at = $3
from unnest($1::bigint[], $2::timestamptz[]) as given (person_id, at)
where p.person_id = given.person_id and p.struck_off_at is null;

-- name: find_due_leavers
-- Members whose leaving date has come.
select person_id from person where left_at <= $1 and struck_off_at is null order by person_id;

-- name: strike_off
-- Strikes people off: from here on no query for members finds them.
update person set struck_off_at = $2 where person_id = any ($1::bigint[]);

-- name: clear_dates
-- Makes them members again, as if they had never left.
update person set left_at = null, struck_off_at = null, updated_at = $2
where person_id = any ($1::bigint[]) and left_at is not null and erased_at is null
returning external_id, person_id;
