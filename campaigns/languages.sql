-- name: group_by_language
-- The languages of some people, with the people of each.
select language, array_agg(person_id order by person_id) as people
from person where person_id = any ($1::bigint[])
group by language order by count(*) desc, language;

-- name: count_languages
-- How many members have each language, without those who have left.
select language, count(*) as n from person where struck_off_at is null group by language order by n desc, language;
