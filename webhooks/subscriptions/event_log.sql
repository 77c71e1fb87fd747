-- name: hold
-- One reader at a time, and the next only after this one has committed: the order of the numbers is the order of commits.
-- Whoever finds another one at it leaves it to that one.
select pg_try_advisory_xact_lock(hashtextextended('webhook events', 0));

-- name: wait
-- The same for somebody who cannot leave it to another.
select pg_advisory_xact_lock(hashtextextended('webhook events', 0));

-- name: wanted
-- What anybody is to be told of; one that is paused catches up when it is resumed.
select distinct unnest(events) as pattern from webhook_subscription where state <> 'gone';

-- name: positions
-- How far each ledger has been read.
select ledger, position from webhook_ledger;

-- name: advance
-- From here on with the next look.
insert into webhook_ledger (ledger, position)
select * from unnest($1::text[], $2::bigint[])
on conflict (ledger) do update set position = excluded.position where webhook_ledger.position <> excluded.position;

-- name: add
-- In the order they happened, as far as one look can know.
insert into webhook_event (type, at, data, ref)
select e.type, e.at, e.data, e.ref
from unnest($1::text[], $2::timestamptz[], $3::jsonb[], $4::bigint[]) with ordinality as e (type, at, data, ref, n)
order by e.n;

-- name: head
-- The last event there is; under the lock above, or for a look that need not be exact.
select coalesce(max(seq), 0) from webhook_event;

-- name: at
-- The last event before a moment.
select coalesce(max(seq), 0) from webhook_event where noticed_at < $1;

-- name: oldest
-- Where a replay can begin: before the first event that is kept.
select coalesce(min(seq), 1) - 1 from webhook_event;

-- name: drop_old
-- Kept longer than anything is retried, so what goes here has been told, or its subscription has been paused for days.
delete from webhook_event where noticed_at < $1;

-- name: drop_log
delete from webhook_delivery where at < $1;
