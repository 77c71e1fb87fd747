-- name: store_items
-- Stores items as they came, once: for a repetition no row is returned. Many in one statement, because a commit costs
-- more than a row. A row that is already done is there only to recognise repetitions. Digests recognise items that were
-- deleted long ago.
insert into inbound_log (source, dedupe_key, subject, payload, received_at, next_try_at, state, processed_at)
select a.source, a.dedupe_key, a.subject, a.payload, a.at, a.at, case when a.done then 'done' else 'new' end,
       case when a.done then a.at end
from unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::timestamptz[], $6::boolean[])
  with ordinality as a (source, dedupe_key, subject, payload, at, done, position)
where not exists (select from inbound_digest d where d.digest = inbound_digest_of(a.source, a.dedupe_key))
order by a.position
on conflict (source, dedupe_key) do nothing
returning inbound_id, source, dedupe_key;

-- name: store_done
-- An item that its sender's transaction has processed, such as the press of a button; the same again gives the same row.
insert into inbound_log (source, dedupe_key, subject, payload, received_at, next_try_at, state, processed_at)
values ($1, $2, $3, $4, $5, $5, 'done', $5)
on conflict (source, dedupe_key) do update set source = excluded.source
returning inbound_id;

-- name: store_mail
-- Stores the row to be processed and the raw mail itself, in one commit, once: a server that missed our answer offers the
-- mail again, perhaps much later. A token that is accepted once, with a mail or an event, leaves a row that is done
-- among the provider's events, in the same commit.
with token as (
  insert into inbound_log (source, dedupe_key, subject, payload, received_at, state, processed_at)
  select $7::text, $8::text, $7::text, '{}', $5, 'done', $5
  where $8 is not null
  on conflict (source, dedupe_key) do nothing
  returning inbound_id
), fresh as (
  insert into inbound_log (source, dedupe_key, subject, payload, received_at, next_try_at)
  select $1, $2, $3, $4, $5, $5
  where ($8 is null or exists (select from token))
    and not exists (select from inbound_digest d where d.digest = inbound_digest_of($1, $2))
  on conflict (source, dedupe_key) do nothing
  returning inbound_id
)
insert into inbound_mail (inbound_id, raw)
select inbound_id, $6 from fresh
returning inbound_id;

-- name: claim_due_items
-- The next due items. Of each subject only the oldest that is not done, so that two replies of one person are read in
-- the order they came, even while the first waits for another try. SKIP LOCKED: workers never wait for each other. Slow
-- items are claimed by themselves, a few at a time.
-- (min() and not `not exists`: that the planner turns into a join with the whole table while it has no statistics.)
select i.inbound_id, i.source, i.payload, i.received_at, i.attempts
from inbound_log i
where i.state = 'new' and i.next_try_at <= $1 and (i.source = any ($3::text[])) = $4::boolean
  and i.inbound_id = (select min(first.inbound_id) from inbound_log first where first.subject = i.subject and first.state = 'new')
order by i.next_try_at, i.inbound_id
limit $2
for update of i skip locked;

-- name: claim_item
-- One waiting item. If another worker has locked it, wait; afterwards it is no longer in state new, and no row is
-- returned.
select inbound_id, source, payload, received_at, attempts from inbound_log where inbound_id = $1 and state = 'new' for update;

-- name: list_waiting
-- The items, of some, that have not been processed.
select inbound_id from inbound_log where inbound_id = any ($1::bigint[]) and state = 'new' order by inbound_id;

-- name: finish_items
-- Marks items as done, in the transaction that processed them.
update inbound_log set state = 'done', processed_at = $2, error = null where inbound_id = any ($1::bigint[]);

-- name: postpone_item
-- Records a failure: the item is tried again later or, if that is of no use, set aside for staff.
update inbound_log set attempts = attempts + 1, error = $2, state = $3, next_try_at = $4 where inbound_id = $1;

-- name: store_malformed
-- Stores an unreadable body for a while, for staff to look at, up to a limit over all senders.
with expired as (
  delete from inbound_malformed where expires_at <= $4
)
insert into inbound_malformed (source, problem, body, received_at, expires_at)
select $1, $2, $3, $4, $5
where (select count(*) from inbound_malformed where expires_at > $4) < $6;
