-- name: add_message
-- Adds a message, its details, and its first event. The details come first, because of their unique reference: if two
-- transactions add the same message at once, the second waits and then adds nothing.
with described as (
  insert into transactional (
    message_id, kind, purpose, reference, content, has_secrets, concealed, in_reply_to, thread, send_before, asked_by, about
  )
  values (nextval(pg_get_serial_sequence('message', 'message_id')), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
  on conflict (kind, reference) where reference is not null do nothing
  returning message_id
), placed as (
  insert into message (message_id, person_id, channel, address, sender_id, not_before, created_at, changed_at)
  overriding system value
  select message_id, $12, $13, $14, $15, $16, $16, $16 from described
  returning message_id
), new_events as (
  insert into message_event (message_id, at, state, source) select message_id, $16, 'queued', 'request' from placed
)
select message_id from placed;

-- name: find_by_reference
-- The message that was queued with this reference.
select message_id from transactional where kind = $1 and reference = $2;

-- name: find_opt_out
-- The opt-out in force for an address, by its place in the ledger.
select event_id from suppression where channel = $1 and address = $2 and purpose = 'all' and reason = 'opted_out';
