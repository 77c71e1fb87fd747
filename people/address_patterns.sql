-- name: pattern
-- One for all of them; nothing where there are none.
select string_agg(address_pattern(address), '|') from unnest($1::text[]) as given (address);
