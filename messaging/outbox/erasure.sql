-- name: of_person
-- A person's messages that are not archived, where each went, and what their provider calls it.
select message_id, channel, address, provider_id from messages_of($1);

-- name: of_person_archived
-- The same of those that are.
select message_id, channel, address, provider_id from message_archive where person_id = $1;

-- name: to_address
-- Whatever went to an address, whoever it was meant for.
select message_id, channel, address, provider_id from messages_to($1, $2);

-- name: to_address_archived
-- The archive has no index of addresses: it is read from end to end, which takes seconds for millions.
select message_id, channel, address, provider_id from message_archive where channel = $1 and address = $2;

-- name: tries
-- What providers called earlier tries.
select provider_id from message_try where message_id = any ($1::bigint[]) and provider_id is not null;

-- name: hold
-- All of them at once or none: whoever waits for one while they hold another could be waited for in a circle.
select message_id from message where message_id = any ($1::bigint[]) order by message_id for update nowait;

-- name: withdraw
-- What has not left goes; so does what nobody can say of whether it left, for its provider cannot be asked any more. What is
-- claimed is stopped at the gate's last look, for the person is suppressed.
with withdrawn as (
  update message
  set state = 'suppressed', reason = 'erased', changed_at = now()
  where message_id = any ($1::bigint[]) and state::text in ('queued', 'ambiguous')
  returning message_id
), told as (
  insert into message_event (message_id, state, source, code)
  select message_id, 'suppressed', 'staff', 'erased' from withdrawn
)
select count(*) from withdrawn;

-- name: empty
-- What each said of its person. One that is on its way keeps its provider's id, by which its receipts find it; of all
-- others nobody but the provider could say any more whose it was.
update message
set variables = '{}',
    provider_id = case when state in ('sending', 'accepted', 'sent') then provider_id end
where message_id = any ($1::bigint[])
  and (
    variables <> '{}'
    or provider_id is not null and state not in ('sending', 'accepted', 'sent')
  );

-- name: empty_archived
-- Of those in the archive.
update message_archive set provider_id = null where message_id = any ($1::bigint[]) and provider_id is not null;

-- name: erase_places
-- Where each went: the owner's function alone may take that out, in the migration that made it.
select erase_places($1::bigint, $2::text[], $3::text[], $4::bigint[]);

-- name: drop_tries
-- By what providers called earlier tries they could still say whose they were.
delete from message_try where message_id = any ($1::bigint[]);

-- name: keep_places
-- Where those of some messages went that went to an address which others have too: that these can still stop them.
insert into erased_place (message_id, channel, address)
select m.message_id, m.channel, m.address
from message m
join unnest($2::text[], $3::text[]) as shared (channel, address) using (channel, address)
where m.message_id = any ($1::bigint[])
on conflict do nothing;

-- name: drop_places
-- An address that nobody has any more who is left: what was kept of it for messages of people erased before, and their links.
with gone as (
  delete from erased_place p
  using unnest($1::text[], $2::text[]) as own (channel, address)
  where p.channel = own.channel and p.address = own.address
  returning p.message_id
)
delete from link l using gone where l.message_id = gone.message_id;

-- name: drop_old_places
-- Links of ballots that closed so long ago open nothing.
delete from erased_place p
where not exists (
  select from message m
  join campaign c using (campaign_id)
  join ballot b using (ballot_id)
  where m.message_id = p.message_id and b.closes_at > $1::timestamptz - archive_delay()
);

-- name: drop_links
-- Nobody can open their pages any more. The links by which others stop messages to an address they share still do that.
delete from link l
where l.message_id = any ($1::bigint[])
  and not (l.action = 'unsubscribe' and exists (select from erased_place p where p.message_id = l.message_id));

-- name: drop_bounces
-- Soft bounces are kept by address.
delete from soft_bounce where message_id = any ($1::bigint[]) or address = any ($2::text[]);

-- name: in_flight
-- How many are on the wire just now: what comes of them is written down with the provider's words.
select count(*) from message where message_id = any ($1::bigint[]) and state::text = 'sending';

-- name: empty_history
-- The words of providers, which quote addresses, in what was written after its person was erased.
select erase_personal_detail(null, '', '{}', '{}', $1::bigint[]);
