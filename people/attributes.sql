-- name: list_names
-- Attributes that a filter may refer to.
select name from attribute;

-- name: list_values
-- Values that members have of an attribute, the most frequent first; a free text has more than anybody compares.
select attributes ->> $1 as value from person where attributes ? $1 and struck_off_at is null group by 1 order by count(*) desc, 1 limit 2000;
