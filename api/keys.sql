-- name: insert_key
-- Adds a key unless its name is taken, in one statement.
insert into api_key (name, handle, digest, scopes, ballots, created_by, created_at) values ($1, $2, $3, $4, $5, $6, $7)
on conflict (name) do nothing
returning key_id;

-- name: list_keys
-- All keys, without their secrets; revoked ones last.
select key_id, name, handle, scopes, ballots, created_at, created_by, used_at, revoked_at from api_key
order by revoked_at is not null, name;

-- name: find_key
-- A key, found by its part that is not secret.
select key_id, name, digest, scopes, ballots, used_at from api_key where handle = $1 and revoked_at is null;

-- name: note_use
-- Records the use of a key, to the minute: a reader that asks every second costs one write a minute.
update api_key set used_at = $2 where key_id = $1 and (used_at is null or used_at < $2::timestamptz - interval '1 minute');

-- name: revoke_key
-- Revokes a key; a second call changes nothing.
update api_key set revoked_at = $2 where name = $1 and revoked_at is null returning key_id;
