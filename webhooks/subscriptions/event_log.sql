-- name: try_lock
-- Lets one reader read at a time, and the next only after it has committed, so that events are numbered in the order of
-- commits. If another worker holds the lock, it does the work.
select pg_try_advisory_xact_lock(hashtextextended('webhook events', 0));

-- name: lock
-- Waits for that lock.
select pg_advisory_xact_lock(hashtextextended('webhook events', 0));

-- name: list_patterns
-- The patterns of all subscriptions that may still receive events; a paused one catches up when it is resumed.
select distinct unnest(events) as pattern from webhook_subscription where state <> 'gone';

-- name: list_positions
-- How far each source table has been read.
select source, position from event_source_position;

-- name: store_positions
-- Stores how far each source has been read: the next look starts from here.
insert into event_source_position (source, position)
select * from unnest($1::text[], $2::bigint[])
on conflict (source) do update set position = excluded.position where event_source_position.position <> excluded.position;

-- name: insert_events
-- Adds events in the order in which they happened, within one look.
insert into webhook_event (type, at, data, ref)
select e.type, e.at, e.data, e.ref
from unnest($1::text[], $2::timestamptz[], $3::jsonb[], $4::bigint[]) with ordinality as e (type, at, data, ref, n)
order by e.n;

-- name: find_last_event
-- The last event; exact only under the lock above.
select coalesce(max(seq), 0) from webhook_event;

-- name: find_last_event_before
-- The last event before a moment.
select coalesce(max(seq), 0) from webhook_event where noticed_at < $1;

-- name: find_position_before_oldest
-- Where a replay can begin: before the first event that is kept.
select coalesce(min(seq), 1) - 1 from webhook_event;

-- name: delete_events
-- Deletes old events. They are kept longer than deliveries are retried, so these have been delivered, or their
-- subscription has been paused for days.
delete from webhook_event where noticed_at < $1;

-- name: delete_deliveries
-- Deletes the log of old deliveries.
delete from webhook_delivery where at < $1;
