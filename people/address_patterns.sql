-- name: pattern
-- One expression for all of them, and the patterns for LIKE; nothing where there are none.
select string_agg(address_pattern(address), '|') as pattern, array(
  select one from unnest($1::text[]) as given (address) cross join unnest(address_likes(address)) as likes (one) order by one
) as likes
from unnest($1::text[]) as given (address);
