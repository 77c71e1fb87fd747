-- name: list_languages
-- The languages that members have.
select language as value from person where struck_off_at is null group by 1 order by count(*) desc, 1;

-- name: list_unknown_members
-- Membership numbers in a filter that nobody has.
select wanted from unnest($1::text[]) as w (wanted)
where not exists (select from person where external_id = wanted)
order by wanted
limit 4;
