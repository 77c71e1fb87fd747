-- name: suppress
-- Adds the suppressions that do not exist yet, with the ledger's events. A person who asked for messages again
-- after the date in the list stays unsuppressed. If somebody who has left, or was erased and came back, now opts out,
-- the opt-out replaces the former reason, so that it stays in force when the former reason is lifted. If one list gives
-- several reasons, the opt-out counts, too.
with entry as (
  select distinct on (channel, address, purpose) *
  from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
    as e (channel, address, purpose, reason, source, since)
  order by channel, address, purpose, reason_weight(reason) desc, since
), judged as (
  select e.*,
    -- staff record who has left and who is back; neither is an opt-in, and neither ends an opt-out
    e.reason <> 'left' and exists (
      select from suppression_event v
      where v.channel = e.channel and v.address = e.address and v.action = 'lift' and v.reason is distinct from 'returned'
        and v.at > e.since
    ) as lifted,
    exists (
      select from suppression s
      where s.channel = e.channel and s.address = e.address and s.purpose in ('all', e.purpose)
        and reason_weight(s.reason) >= reason_weight(e.reason)
    ) as is_in_force
  from entry e
), fresh as (
  insert into suppression_event (channel, address, purpose, action, reason, source, at)
  select channel, address, purpose, 'suppress', reason, source, since from judged where not lifted and not is_in_force
  returning event_id, channel, address, purpose, reason, at
), in_force as (
  insert into suppression (channel, address, purpose, reason, since, event_id)
  select channel, address, purpose, reason, at, event_id from fresh
  on conflict (channel, address, purpose) do update
    set reason = excluded.reason, since = excluded.since, event_id = excluded.event_id
    where reason_weight(suppression.reason) < reason_weight(excluded.reason)
)
select j.reason, f.event_id, j.lifted and not j.is_in_force as lifted
from judged j
left join fresh f using (channel, address, purpose);

-- name: withdraw_addresses
-- Withdraws messages queued for addresses that have just been suppressed.
with dequeued as (
  delete from queue q
  using suppression_event e
  join step s on e.purpose in ('all', s.purpose)
  join message m on m.step_id = s.step_id and m.channel = e.channel and m.address = e.address
  where e.event_id = any ($1::bigint[]) and q.message_id = m.message_id
  returning q.message_id, q.attempt, e.reason
), withdrawn as (
  update message m
  set state = 'suppressed', reason = dequeued.reason, attempt = dequeued.attempt, changed_at = now()
  from dequeued
  where m.message_id = dequeued.message_id and m.state = 'queued'
  returning m.message_id, m.reason
), new_events as (
  insert into message_event (message_id, state, source, code)
  select message_id, 'suppressed', 'list', reason from withdrawn
)
select count(*) from withdrawn;

-- name: withdraw_people
-- The same for people who are suppressed at every address.
with dequeued as (
  delete from queue q
  using suppression_event e
  join step s on e.purpose in ('all', s.purpose)
  join message m on m.step_id = s.step_id and m.person_id = case e.channel when 'person' then e.address::bigint end
  where e.event_id = any ($1::bigint[]) and q.message_id = m.message_id
  returning q.message_id, q.attempt, e.reason
), withdrawn as (
  update message m
  set state = 'suppressed', reason = dequeued.reason, attempt = dequeued.attempt, changed_at = now()
  from dequeued
  where m.message_id = dequeued.message_id and m.state = 'queued'
  returning m.message_id, m.reason
), new_events as (
  insert into message_event (message_id, state, source, code)
  select message_id, 'suppressed', 'list', reason from withdrawn
)
select count(*) from withdrawn;

-- name: withdraw_transactional
-- The same for transactional messages, to addresses and to people.
with theirs as materialized (
  select m.message_id, e.event_id
  from suppression_event e
  join message m on m.step_id is null and m.channel = e.channel and m.address = e.address
  where e.event_id = any ($1::bigint[])
  union all
  select m.message_id, e.event_id
  from suppression_event e
  join message m on m.step_id is null and m.person_id = case e.channel when 'person' then e.address::bigint end
  where e.event_id = any ($1::bigint[])
), dequeued as (
  delete from queue q
  using theirs
  join suppression_event e on e.event_id = theirs.event_id
  join transactional t on t.message_id = theirs.message_id
  where q.message_id = theirs.message_id and e.purpose in ('all', t.purpose)
    and stop_of_transactional(
      t.kind, t.reference, e.channel, e.address, case e.channel when 'person' then e.reason end, e.reason
    ) is not null
  returning q.message_id, q.attempt, e.reason
), withdrawn as (
  update message m
  set state = 'suppressed', reason = dequeued.reason, attempt = dequeued.attempt, changed_at = now()
  from dequeued
  where m.message_id = dequeued.message_id and m.state = 'queued'
  returning m.message_id, m.reason
), new_events as (
  insert into message_event (message_id, state, source, code)
  select message_id, 'suppressed', 'list', reason from withdrawn
)
select count(*) from withdrawn;
