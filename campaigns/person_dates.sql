-- name: find_dates
-- The dates of some people as they are written, and their time zones; people who have left are not included.
select person_id, coalesce(attributes ->> $2, '') as text, time_zone
from person
where person_id = any ($1::bigint[]) and struck_off_at is null;

-- name: find_written_date
-- The attribute by whose date a message is due, and its present text.
select due.attribute, coalesce(p.attributes ->> due.attribute, '') as text
from message_any m
join step s using (step_id)
join campaign c on c.campaign_id = m.campaign_id
join person p on p.person_id = m.person_id
cross join lateral (
  select c.spec #>> array['steps', (s.position - 1)::text, 'when', 'of'] as attribute
) due
where m.message_id = $1;

-- name: list_date_attributes
-- Attributes by which messages of campaigns that are not over are due.
select distinct step #>> '{when,of}' as attribute
from campaign c
cross join lateral jsonb_array_elements(c.spec -> 'steps') as step
where c.state in ('draft', 'running', 'paused') and step #>> '{when,of}' is not null;
