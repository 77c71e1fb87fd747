-- name: lock_shared
-- Shared: any number of transactions decide about people at the same time.
select pg_advisory_xact_lock_shared(hashtextextended('muster: people go', 0));

-- name: lock_exclusive
-- Exclusive: waits for all that share it.
select pg_advisory_xact_lock(hashtextextended('muster: people go', 0));

-- name: try_import_lock
-- One import at a time, on all hosts; the lock goes with the transaction.
select pg_try_advisory_xact_lock(hashtextextended('muster: import of people', 0));

-- name: wait_import_lock
-- The same, waiting for the import before us.
select pg_advisory_xact_lock(hashtextextended('muster: import of people', 0));
