-- name: lock_shared
-- Takes the lock as shared: any number of transactions decide about people at the same time.
select pg_advisory_xact_lock_shared(hashtextextended('muster: people go', 0));

-- name: lock_exclusive
-- Takes the lock exclusively: waits for all transactions that share it.
select pg_advisory_xact_lock(hashtextextended('muster: people go', 0));

-- name: try_import_lock
-- Takes the lock of imports, on all hosts, if it is free; it ends with the transaction.
select pg_try_advisory_xact_lock(hashtextextended('muster: import of people', 0));

-- name: wait_import_lock
-- The same, but waits for the import that has it.
select pg_advisory_xact_lock(hashtextextended('muster: import of people', 0));
