-- name: record_consents
-- Adds to the ledger, and keeps the latest entry of each person by the time of the consent. The same action of the same
-- moment is in the ledger only once, so a file imported again adds nothing.
with entry as (
  select distinct on (person_id, channel, purpose, at, action) *
  from unnest(
    $1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::text[], $9::bigint[]
  ) as s (person_id, channel, purpose, action, source, wording, at, recorder, message_id)
), fresh as (
  insert into consent_event (person_id, channel, purpose, action, source, wording, at, recorder, message_id)
  select person_id, channel, purpose, action, source, wording, at, recorder, message_id
  from entry s
  where not exists (
    select from consent_event e
    where e.person_id = s.person_id and e.channel = s.channel and e.purpose = s.purpose and e.at = s.at
      and e.action = s.action
  )
  order by at
  returning event_id, person_id, channel, purpose, action, at
), latest as (
  select distinct on (person_id, purpose, channel) *
  from fresh
  order by person_id, purpose, channel, at desc, event_id desc
), status as (
  insert into consent (person_id, purpose, channel, given, since, event_id)
  select person_id, purpose, channel, action = 'give', at, event_id from latest
  on conflict (person_id, purpose, channel) do update
  set given = excluded.given, since = excluded.since, event_id = excluded.event_id
  where consent.since <= excluded.since
)
select count(*) from fresh;

-- name: list_consents
-- The ledger of a person, latest first.
select person_id, channel, purpose, action, source, wording, at, recorder, message_id
from consent_event
where person_id = $1
order by at desc, event_id desc;

-- name: delete_consents
-- Deletes the status; the ledger keeps its entries.
delete from consent where person_id = $1;
