-- name: add_challenge
-- Adds a challenge, after deleting those that ran out.
with expired as (delete from passkey_challenge where expires_at < $5)
insert into passkey_challenge (challenge, purpose, family, expires_at) values ($1, $2, $3, $4);

-- name: delete_oldest_challenges
-- Keeps the newest of the sign-ins that were begun and not ended, so that nobody can fill the table by beginning many.
delete from passkey_challenge where challenge in (
  select challenge from passkey_challenge where family is null order by expires_at desc offset $1
);

-- name: use_challenge
-- Uses up a challenge, whether or not the answer is accepted; it can be answered only for its purpose and in its
-- session.
delete from passkey_challenge
where challenge = $1 and purpose = $2 and family is not distinct from $3 and expires_at > $4
returning challenge;

-- name: delete_old_challenges
-- Deletes challenges that ran out.
delete from passkey_challenge where expires_at < $1;

-- name: give_handle
-- Names the account to passkeys, from its first one on.
update staff set passkey_handle = coalesce(passkey_handle, gen_random_uuid()) where staff_id = $1
returning passkey_handle, email, name;

-- name: add_passkey
-- Adds a passkey, unless it is known already, for this account or another.
insert into staff_passkey (staff_id, credential_id, public_key, sign_count, name, made_at, host)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (credential_id) do nothing
returning passkey_id;

-- name: find_passkey
-- A passkey and its account, locked, so that of two answers with one count one is accepted.
select p.passkey_id, p.staff_id, p.public_key, p.sign_count, p.copied_at, s.passkey_handle, s.email, s.name
from staff_passkey p join staff s using (staff_id)
where p.credential_id = $1 and s.disabled_at is null
for update;

-- name: find_number
-- The number of a passkey, which tries of it are counted by.
select passkey_id from staff_passkey where credential_id = $1;

-- name: use_passkey
-- Records the use of a passkey, and the count that it has reached.
update staff_passkey set used_at = $2, sign_count = $3 where passkey_id = $1;

-- name: note_copy
-- Records that there seems to be a copy of a passkey. Nobody knows which of the two has just signed, so neither is
-- accepted from now on.
update staff_passkey set copied_at = $2 where passkey_id = $1;

-- name: list_passkeys
-- Passkeys of an account, the oldest first; one works if it was made for this host and there is no copy of it.
select
  passkey_id, credential_id, name, made_at, used_at, copied_at, host,
  copied_at is null and coalesce(host = $2, true) as works
from staff_passkey
where staff_id = $1
order by passkey_id;

-- name: delete_passkey
-- Removes one passkey of an account.
delete from staff_passkey where staff_id = $1 and passkey_id = $2 returning name;

-- name: delete_passkeys
-- Removes all passkeys of an account.
delete from staff_passkey where staff_id = $1;
