-- name: person
-- Who is to be erased.
select person_id, external_id, trim(first_name || ' ' || last_name) as name
from person where external_id = $1 and erased_at is null;

-- name: addresses
-- Where they can be reached by what member files say.
select channel, address from address where person_id = $1;

-- name: replies
-- What they said, from wherever; and what somebody nobody knows said from an address of theirs, or in answer to a message
-- to them. What is somebody else's stays, whoever wrote it down.
select reply_id, inbox_id
from reply
where person_id = $1
  or person_id is null
    and (message_id = any ($2::bigint[]) or (channel, address) in (select * from unnest($3::text[], $4::text[])));

-- name: stands
-- What stands against addresses, or against a person everywhere.
select s.channel, s.address, s.purpose, s.reason, s.since
from unnest($1::text[], $2::text[]) as given (channel, address)
join suppression s using (channel, address);

-- name: was_said
-- Whether anything was ever said of an address, so that its ledger has it, or from it by somebody for a member.
select exists (select from suppression_event where channel = $1 and address = $2)
  or exists (select from reply where channel = $1 and address = $2)
  or exists (select from erased_place where channel = $1 and address = $2);

-- name: hold_person
-- Whoever is changing them is not waited for: messages may be held by them that come next.
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

-- name: left_behind
-- Ballots that close after the day on which somebody was going to leave, and, once that is known, after now: they vote in
-- those before.
select b.ballot_id
from person p
join elector e using (person_id)
join ballot b using (ballot_id)
where p.person_id = $1 and p.struck_off_at is null and p.left_at is not null
  and b.closes_at > greatest(p.left_at, $2::timestamptz)
order by b.ballot_id;

-- name: leave_ballot
-- As leavers do on their day.
delete from elector where ballot_id = $1 and person_id = $2;

-- name: drop_addresses
-- An import finds people by them.
delete from address where person_id = $1;

-- name: empty_replies
-- That they answered stays, and what it was taken for; nobody need deal with it any more.
update reply
set text = '', address = 'erased-' || reply_id, note = null, state = 'closed',
  closed_at = case state when 'open' then $2 else closed_at end, closed_by = case state when 'open' then 'erased' else closed_by end
where reply_id = any ($1::bigint[]);

-- name: mend_replies
-- What others said of them stays without the address; and who wrote from theirs for somebody else wrote from nowhere.
update reply
set text = regexp_replace(text, $1, 'erased', 'gi'), note = regexp_replace(note, $1, 'erased', 'gi'),
  address = case when address = any ($3::text[]) then 'erased-' || reply_id else address end
where address = any ($3::text[])
  or squeezed(text || ' ' || coalesce(note, '')) like any ($2::text[]) and text || ' ' || coalesce(note, '') ~* $1;

-- name: naming_campaigns
-- Campaigns whose audience names members by their number.
select campaign_id, audience, spec from campaign
where strpos(audience::text || spec::text, '"members"') > 0 and strpos(audience::text || spec::text, to_json($1::text)::text) > 0
for update;

-- name: rename_in_campaign
-- Its audience is as large as before, and names nobody.
update campaign set audience = $2, spec = $3 where campaign_id = $1;

-- name: empty_ledgers
-- The one function that may change a ledger, in the migration that made it.
select erase_personal_detail($1::bigint, $2::text, $3::text[], $4::text[], $5::bigint[]);

-- name: forget_statistics
-- The planner keeps samples of what stood in columns, where the application can read them.
select forget_statistics();

-- name: audit
-- That somebody was erased, by whom and how much it was; not who.
insert into audit (actor, action, subject, detail, at) values ($1, 'people.erased', $2, $3, $4);
