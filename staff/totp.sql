-- name: drop_unconfirmed
-- A secret of which no code was ever entered gives way to the next.
delete from staff_totp where staff_id = $1 and confirmed_at is null;

-- name: add_secret
-- Adds a secret; it counts once a code of it was entered.
insert into staff_totp (staff_id, secret, made_at) values ($1, $2, $3);

-- name: find_unconfirmed
-- The secret that is being set up.
select totp_id, secret, last_step from staff_totp where staff_id = $1 and confirmed_at is null and made_at > $2;

-- name: find_confirmed
-- The secret in use.
select totp_id, secret, last_step from staff_totp where staff_id = $1 and confirmed_at is not null;

-- name: drop_confirmed
-- Deletes the secret in use, as another takes its place, or it was lost.
delete from staff_totp where staff_id = $1 and confirmed_at is not null;

-- name: confirm
-- The secret counts from now on; the code that proved it does not count again.
update staff_totp set confirmed_at = $2, last_step = $3 where totp_id = $1;

-- name: use_step
-- Uses a code up, in one statement: of two that arrive at once, one counts.
update staff_totp set last_step = $2 where totp_id = $1 and last_step < $2 returning totp_id;
