-- name: find_highest_id
-- The highest id a table has given out, whether or not its row has been committed yet.
select coalesce(pg_sequence_last_value(pg_get_serial_sequence($1, $2)::regclass), 0);

-- name: list_writers
-- Open transactions that may have taken ids of these tables: a writer holds this lock on the table from before it takes
-- an id until it ends. This query takes no lock that a writer waits for.
select distinct virtualtransaction
from pg_locks
where locktype = 'relation' and mode = 'RowExclusiveLock' and granted and pid <> pg_backend_pid()
  and database = (select oid from pg_database where datname = current_database())
  and relation = any ($1::text[]::regclass[]::oid[]);
