-- name: person
-- Who is to be erased.
select person_id, external_id, trim(first_name || ' ' || last_name) as name
from person where external_id = $1 and erased_at is null;

-- name: erased_since
select person_id from person where erased_at > $1 order by person_id;

-- name: addresses
-- Where they can be reached by what member files say.
select channel, address from address where person_id = $1;

-- name: holders
-- Whose addresses these are, beside one person's.
select a.channel, a.address, p.external_id
from unnest($1::text[], $2::text[]) as given (channel, address)
join address a using (channel, address)
join person p using (person_id)
where p.person_id is distinct from $3::bigint
order by p.external_id;

-- name: replies
-- What they said, from wherever; and what somebody nobody knows said in answer to a message of theirs.
select reply_id, inbox_id, channel, address
from reply
where person_id = $1 or (channel, address) in (select * from unnest($3::text[], $4::text[]))
  or message_id = any ($2::bigint[]) and person_id is null;

-- name: stands
-- What stands against addresses, or against a person everywhere.
select s.channel, s.address, s.purpose, s.reason, s.since
from unnest($1::text[], $2::text[]) as given (channel, address)
join suppression s using (channel, address);

-- name: was_said
-- Whether anything was ever said of an address, so that its ledger has it.
select exists (select from suppression_event where channel = $1 and address = $2);

-- name: people_go
-- Alone with who may be written to: waits for pages of launches and for what is being read of the inbox, and they for us.
-- The first lock of all, so that nobody can wait for us who has something that we want.
select pg_advisory_xact_lock(hashtextextended('muster: people go', 0));

-- name: no_import
-- Whether no member file is being imported; then none begins until the transaction ends.
select pg_try_advisory_xact_lock(hashtextextended('muster: import of people', 0));

-- name: hold_person
select person_id from person where person_id = $1 for update nowait;

-- name: wait_little
-- Nothing here is worth waiting for: whoever is in the way is done in a moment, and it is all begun again.
select set_config('lock_timeout', $1, true);

-- name: empty_person
-- The row stays for what points at it. Its new number says nothing and cannot be guessed.
update person
set external_id = $2, first_name = '', last_name = '', unit_id = null, language = 'en', time_zone = 'Europe/London',
  attributes = '{}', left_at = null, struck_off_at = coalesce(struck_off_at, $3), erased_at = $3, created_at = $3,
  updated_at = $3
where person_id = $1;

-- name: drop_addresses
delete from address where person_id = $1;

-- name: drop_consents
delete from consent where person_id = $1;

-- name: drop_suppressions
-- They stand as digests from now on.
delete from suppression s
using unnest($1::text[], $2::text[]) as given (channel, address)
where s.channel = given.channel and s.address = given.address;

-- name: empty_replies
-- That they answered stays, and what it was taken for; nobody need deal with it any more.
update reply
set text = '', address = 'erased-' || reply_id, note = null, state = 'closed',
  closed_at = case state when 'open' then $2 else closed_at end, closed_by = case state when 'open' then 'erased' else closed_by end
where reply_id = any ($1::bigint[]);

-- name: naming_campaigns
-- Campaigns whose audience names members by their number.
select campaign_id, audience, spec from campaign
where strpos(audience::text || spec::text, '"members"') > 0 and strpos(audience::text || spec::text, to_json($1::text)::text) > 0
for update;

-- name: rename_in_campaign
update campaign set audience = $2, spec = $3 where campaign_id = $1;

-- name: empty_alerts
update alert
set title = regexp_replace(title, $1, 'erased', 'gi'), remedy = regexp_replace(remedy, $1, 'erased', 'gi'),
  detail = regexp_replace(detail::text, $1, 'erased', 'gi')::jsonb
where title ~* $1 or remedy ~* $1 or detail::text ~* $1;

-- name: empty_ledgers
-- The one function that may change a ledger, in the migration that made it.
select erase_personal_detail($1::bigint, $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text);

-- name: audit
-- That somebody was erased, by whom and how much it was; not who.
insert into audit (actor, action, subject, detail, at) values ($1, 'people.erased', $2, $3, $4);
