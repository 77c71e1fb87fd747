-- name: dates
-- The dates of some people as they are written, and their time zones; nothing of those who have left.
select person_id, coalesce(attributes ->> $2, '') as text, time_zone
from person
where person_id = any ($1::bigint[]) and struck_off_at is null;
