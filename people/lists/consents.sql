-- name: members
-- Whose membership numbers these are.
select external_id, person_id from person where external_id = any ($1::text[]);

-- name: everything
-- The whole ledger in the order people said it.
select p.external_id, e.channel, e.purpose, e.action, e.source, e.wording, e.at, e.recorder
from consent_event e
join person p using (person_id)
order by e.at, e.event_id;

-- name: record_audit
-- Who took in, or took out, how many.
insert into audit (actor, action, subject, detail) values ($1, $2, $3, $4);
