-- name: languages
-- Which languages some people have.
select language, array_agg(person_id order by person_id) as people
from person where person_id = any ($1::bigint[])
group by language order by count(*) desc, language;

-- name: spoken
-- How many members have each language; nobody writes to those who have left.
select language, count(*) as n from person where struck_off_at is null group by language order by n desc, language;

-- name: variables
-- Of the people a plan renders for.
select person_id, variables from template_variables where person_id = any ($1::bigint[])
