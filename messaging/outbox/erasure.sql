-- name: list_of_person
-- A person's messages in the outbox, and the provider's id of each.
select message_id, provider_id from messages_of($1);

-- name: list_of_person_archived
-- The same for the archive.
select message_id, provider_id from message_archive where person_id = $1;

-- name: list_to_nobody
-- Transactional messages to an address when nobody was known to have it, in the outbox and in the archive; the archive's are
-- few, and found by the people they had: none.
select message_id, provider_id, false as archived from messages_to_nobody($1, $2)
union all
select message_id, provider_id, true from message_archive where person_id is null and channel = $1 and address = $2;

-- name: list_to_address
-- Messages to an address, for any person.
select message_id, provider_id from messages_to($1, $2);

-- name: list_to_address_archived
-- The archive has no index of addresses: this scans all of it, which takes seconds for millions.
select message_id, provider_id from message_archive where channel = $1 and address = $2;

-- name: list_tries
-- Provider's ids of earlier tries.
select provider_id from message_try where message_id = any ($1::bigint[]) and provider_id is not null;

-- name: lock_messages
-- Locks all messages or none, without waiting: a transaction that waits for one row while it holds another could
-- deadlock.
select message_id from message where message_id = any ($1::bigint[]) order by message_id for update nowait;

-- name: withdraw
-- Withdraws messages that have not left, and messages of unknown outcome, because their provider cannot be asked any
-- more. Claimed messages, and those being claimed at this moment, are stopped by the last eligibility check, because the
-- person is suppressed: the erasure has locked the messages, so it waits for nobody's queue.
with waiting as materialized (
  select message_id from queue where message_id = any ($1::bigint[]) for update skip locked
), dequeued as (
  delete from queue q using waiting w where q.message_id = w.message_id returning q.message_id, q.attempt
), withdrawn as (
  update message m
  set state = 'suppressed', reason = 'erased', attempt = coalesce(g.attempt, m.attempt), changed_at = now()
  from unnest($1::bigint[]) as wanted (message_id)
  left join dequeued g using (message_id)
  where m.message_id = wanted.message_id
    and (m.state = 'ambiguous' or m.state = 'queued' and g.message_id is not null)
  returning m.message_id
), new_events as (
  insert into message_event (message_id, state, source, code)
  select message_id, 'suppressed', 'staff', 'erased' from withdrawn
)
select count(*) from withdrawn;

-- name: empty_messages
-- Empties the variables of each. A message on its way keeps its provider's id, because its receipts find it by that.
-- The other ids go, because with them the provider could still say whose the messages were. Its words go with the address
-- (finish_erasure), as they may quote it; here go those that came later.
update message
set variables = '{}', date_at = null,
    accepted_reply = case
      when accepted_reply <> '' and exists (select from erased_message x where x.message_id = message.message_id) then ''
      else accepted_reply
    end,
    provider_id = case when state in ('queued', 'accepted', 'sent') then provider_id end
where message_id = any ($1::bigint[])
  and (
    variables <> '{}' or date_at is not null
    or accepted_reply <> '' and exists (select from erased_message x where x.message_id = message.message_id)
    or provider_id is not null and state not in ('queued', 'accepted', 'sent')
  );

-- name: empty_transactional
-- Empties the contents and references of transactional messages, in the outbox and in the archive.
update transactional set content = null, concealed = null, reference = null, in_reply_to = null, thread = null
where message_id = any ($1::bigint[]);

-- name: empty_archived
-- Removes the provider's ids of archived messages.
update message_archive set provider_id = null where message_id = any ($1::bigint[]) and provider_id is not null;

-- name: delete_tries
-- Deletes the provider's ids of earlier tries, by which the provider could still say whose they were.
delete from message_try where message_id = any ($1::bigint[]);

-- name: keep_places
-- Keeps the addresses that other people share, so that these can still unsubscribe by the messages' links.
insert into erased_place (message_id, channel, address)
select m.message_id, m.channel, m.address
from message m
join unnest($2::text[], $3::text[]) as shared (channel, address) using (channel, address)
where m.message_id = any ($1::bigint[])
on conflict do nothing;

-- name: delete_places
-- Deletes addresses kept for people erased before that no remaining person has, and the links to them.
with erased as (
  delete from erased_place p
  using unnest($1::text[], $2::text[]) as own (channel, address)
  where p.channel = own.channel and p.address = own.address
  returning p.message_id
)
delete from link l using erased where l.message_id = erased.message_id;

-- name: delete_old_places
-- Deletes kept addresses of archived messages, and of campaigns whose links have stopped working.
delete from erased_place p
where not exists (
  select from message m where m.message_id = p.message_id and m.campaign_id = any ($1::bigint[])
);

-- name: delete_links
-- Deletes links that nobody can open any more. Unsubscribe links of a shared address stay, for the others who have
-- it.
delete from link l
where l.message_id = any ($1::bigint[])
  and not (l.action = 'unsubscribe' and exists (select from erased_place p where p.message_id = l.message_id));

-- name: delete_bounces
-- Deletes the soft bounces of addresses.
delete from soft_bounce where message_id = any ($1::bigint[]) or address = any ($2::text[]);

-- name: count_in_flight
-- How many messages are on the wire: their outcomes will be recorded with the provider's words.
select count(*) from in_flight where message_id = any ($1::bigint[]);

-- name: empty_history
-- Removes providers' words recorded after the person was erased, because they quote addresses.
select empty_late_words($1::bigint[]);

-- name: delete_old_notes
-- Deletes the notes of erased messages about which nothing more will be recorded.
delete from erased_message where erased_at < $1;
