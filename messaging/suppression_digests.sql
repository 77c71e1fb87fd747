-- name: keep
-- One for each purpose; the first reason stays.
insert into suppression_digest (digest, key, channel, purpose, reason, since)
select * from unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
on conflict (digest, purpose) do nothing;

-- name: count_unreadable
-- Kept under a secret that nobody has told us.
select count(*) from suppression_digest where key <> all ($1::text[]);

-- name: any
select exists (select from suppression_digest);

-- name: all
-- As few as people have been erased who have not come back: read whole, and compared with what comes in.
select digest, purpose, reason, since, made_at from suppression_digest;

-- name: drop
delete from suppression_digest where digest = any ($1::bytea[]);
