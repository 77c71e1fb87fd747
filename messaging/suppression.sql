-- name: suppress
-- Adds the ledger's event and the suppression in one statement; returns a row if it is new. The lock on the row orders
-- two transactions that do so at once; an address that is suppressed already keeps its first reason, and gets no second
-- event. But if somebody who has left, or was erased and came back, now opts out, the opt-out replaces the former
-- reason, so that it stays in force when the former reason is lifted. A late report about a message whose person was
-- erased has an address only if other people share it; the ledger does not name the message then.
with fresh as (
  insert into suppression_event (channel, address, purpose, action, reason, source, message_id)
  select
    $1, $2, $3, 'suppress', $4, $5,
    case when not exists (select from erased_place p where p.message_id = $6) then $6::bigint end
  where not exists (
      select from suppression s
      where s.channel = $1 and s.address = $2 and s.purpose in ('all', $3)
        and reason_weight(s.reason) >= reason_weight($4)
    )
    and (
      not exists (select from message m where m.message_id = $6 and m.address = 'erased-' || m.message_id)
      or exists (select from erased_place p where p.message_id = $6 and p.channel = $1 and p.address = $2)
    )
  returning event_id, at
)
insert into suppression (channel, address, purpose, reason, since, event_id)
select $1, $2, $3, $4, at, event_id from fresh
on conflict (channel, address, purpose) do update
  set reason = excluded.reason, since = excluded.since, event_id = excluded.event_id
  where reason_weight(suppression.reason) < reason_weight(excluded.reason)
returning event_id;

-- name: find_kept_address
-- The address of a message whose person was erased, which is kept while other people have it.
select address from erased_place where message_id = $1 and channel = $2;

-- name: restate
-- Changes the reason of a phone's opt-out on a page to one by text: the network has seen it, so from now on no page
-- lifts it.
with ledger_entry as (
  insert into suppression_event (channel, address, purpose, action, reason, source, message_id)
  select s.channel, s.address, s.purpose, 'suppress', s.reason, $3, $4
  from suppression s
  join suppression_event e using (event_id)
  where s.channel = 'sms' and s.address = $1 and s.reason = $2 and e.source <> all ($5::text[])
  returning event_id, purpose
)
update suppression s set event_id = ledger_entry.event_id
from ledger_entry
where s.channel = 'sms' and s.address = $1 and s.purpose = ledger_entry.purpose;

-- name: withdraw_address
-- Withdraws the messages queued for the address, in the same transaction. Messages claimed but not on the wire are
-- stopped by the last eligibility check.
with dequeued as (
  delete from queue q
  using step s
  join message m on m.step_id = s.step_id and m.channel = $1 and m.address = $2
  where q.message_id = m.message_id and ($3 = 'all' or s.purpose = $3)
  returning q.message_id, q.attempt
), withdrawn as (
  update message m
  set state = 'suppressed', reason = $4, attempt = dequeued.attempt, changed_at = now()
  from dequeued
  where m.message_id = dequeued.message_id and m.state = 'queued'
  returning m.message_id
)
insert into message_event (message_id, state, source, code)
select message_id, 'suppressed', $5, $4 from withdrawn;

-- name: withdraw_person
-- The same for a person who is suppressed at every address.
with dequeued as (
  delete from queue q
  using step s
  join message m on m.step_id = s.step_id and m.person_id = $1
  where q.message_id = m.message_id and ($2 = 'all' or s.purpose = $2)
  returning q.message_id, q.attempt
), withdrawn as (
  update message m
  set state = 'suppressed', reason = $3, attempt = dequeued.attempt, changed_at = now()
  from dequeued
  where m.message_id = dequeued.message_id and m.state = 'queued'
  returning m.message_id
)
insert into message_event (message_id, state, source, code)
select message_id, 'suppressed', $4, $3 from withdrawn;

-- name: withdraw_transactional
-- The same for transactional messages to the address, or to the person if the channel is `person`.
with theirs as materialized (
  select message_id from message where step_id is null and channel = $1 and address = $2
  union all
  select message_id from message where step_id is null and person_id = case $1::text when 'person' then $2::bigint end
), dequeued as (
  delete from queue q
  using theirs
  join transactional t on t.message_id = theirs.message_id
  where q.message_id = theirs.message_id and ($3 = 'all' or t.purpose = $3)
    and stop_of_transactional(
      t.kind, t.reference, $1, $2, case $1 when 'person' then $4 end, $4
    ) is not null
  returning q.message_id, q.attempt
), withdrawn as (
  update message m
  set state = 'suppressed', reason = $4, attempt = dequeued.attempt, changed_at = now()
  from dequeued
  where m.message_id = dequeued.message_id and m.state = 'queued'
  returning m.message_id
)
insert into message_event (message_id, state, source, code)
select message_id, 'suppressed', $5, $4 from withdrawn;

-- name: lift
-- Lifts the opt-out for every purpose, after START or a choice on a page, and records each in the ledger. Only
-- suppressions of reason $5 are lifted; reasons other than an opt-out are for staff.
with lifted as (
  delete from suppression where channel = $1 and address = $2 and reason = $5 returning purpose
)
insert into suppression_event (channel, address, purpose, action, reason, source)
select $1, $2, purpose, 'lift', $3, $4 from lifted
returning event_id;

-- name: list_suppressions
-- The suppressions of an address now, the strictest first.
select channel, address, purpose, reason, since
from suppression
where channel = $1 and address = $2
order by purpose;

-- name: delete_suppressions
-- Deletes suppressions of which digests are kept from now on.
delete from suppression s
using unnest($1::text[], $2::text[]) as given (channel, address)
where s.channel = given.channel and s.address = given.address;
