-- name: attribute_names
-- What a filter may ask about.
select name from attribute;

-- name: values_held
-- What members have as an attribute, the most frequent first; a free text has more values than anybody compares.
select attributes ->> $1 as value from person where attributes ? $1 and struck_off_at is null group by 1 order by count(*) desc, 1 limit 2000;
