-- name: find_person
-- The person to be erased.
select person_id, external_id, trim(first_name || ' ' || last_name) as name
from person where external_id = $1 and erased_at is null;

-- name: list_addresses
-- Their addresses, by member files and by messages to them, and whether others have them.
select channel, address, listed, shared from addresses_of($1) order by channel, address;

-- name: list_patterns
-- Patterns for LIKE that find some addresses in a squeezed text, at least wherever they are in whatever notation.
select address_likes($1::text[]);

-- name: list_replies
-- Their replies, from any address; and replies by unknown people from an address of theirs, or in answer to a message
-- to them. Replies of other members stay, whatever address they came from.
select reply_id, inbound_id
from reply
where person_id = $1
  or person_id is null
    and (message_id = any ($2::bigint[]) or (channel, address) in (select * from unnest($3::text[], $4::text[])));

-- name: list_suppressions
-- Suppressions of addresses, or of a person on every channel.
select s.channel, s.address, s.purpose, s.reason, s.since
from unnest($1::text[], $2::text[]) as given (channel, address)
join suppression s using (channel, address);

-- name: is_address_known
-- Whether an address is in the suppression ledger, in a reply, or among the addresses of erased people.
select exists (select from suppression_event where channel = $1 and address = $2)
  or exists (select from reply where channel = $1 and address = $2)
  or exists (select from erased_place where channel = $1 and address = $2);

-- name: set_own_sources
-- Sets which sources of a suppression are Muster's own words, separated by commas; the erasure keeps only these.
select set_config('muster.own_sources', $1, true);

-- name: begin_erasure
-- Locks the person without waiting, because a transaction that is changing them may hold messages that are locked next.
-- It also records their number and addresses, which the database erases later.
select begin_erasure($1);

-- name: begin_address_erasure
-- Begins the erasure of somebody known only by an address. $3: messages to it in the archive.
select begin_erasure_at($1, $2, $3::bigint[]);

-- name: set_lock_timeout
-- Limits the wait for locks: the erasure gives up and starts again a moment later.
select set_config('lock_timeout', $1, true);

-- name: finish_erasure
-- Empties the person, the addresses of their messages, and the ledgers, by a function of the tables' owner. The
-- person's row stays, because other rows refer to it. Its new number identifies nobody and cannot be guessed.
select finish_erasure();

-- name: empty_replies
-- Empties their replies and closes them; that they answered, and the classification, are kept.
update reply
set text = '', address = 'erased-' || reply_id, note = null, state = 'closed',
  closed_at = case state when 'open' then $2 else closed_at end, closed_by = case state when 'open' then 'erased' else closed_by end
where reply_id = any ($1::bigint[]);

-- name: redact_replies
-- Removes the addresses from replies of others that mention them, and as the sender of replies by other members.
update reply
set text = without_addresses(text, $1::text[]), note = without_addresses(note, $1::text[]),
  address = case when address = any ($1::text[]) then 'erased-' || reply_id else address end
where address = any ($1::text[])
  or squeezed(text || ' ' || coalesce(note, '')) like any ($2::text[])
    and (names_address(text, $1::text[]) or names_address(note, $1::text[]));

-- name: list_naming_campaigns
-- Campaigns whose audience names this membership number.
select campaign_id, audience, spec from campaign
where strpos(audience::text || spec::text, '"members"') > 0 and strpos(audience::text || spec::text, to_json($1::text)::text) > 0
for update;

-- name: rename_in_campaign
-- Replaces the old number in an audience, which stays as large as before.
update campaign set audience = $2, spec = $3 where campaign_id = $1;
