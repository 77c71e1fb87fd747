-- name: find_members
-- The members with these membership numbers.
select external_id, person_id from person where external_id = any ($1::text[]);

-- name: list_ledger
-- The whole ledger, oldest consent first.
select p.external_id, e.channel, e.purpose, e.action, e.source, e.wording, e.at, e.recorder
from consent_event e
join person p using (person_id)
order by e.at, e.event_id;
