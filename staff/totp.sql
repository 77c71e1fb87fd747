-- name: delete_replaced
-- Deletes the unconfirmed secret of a session, which a new one replaces, and all unconfirmed secrets that took too
-- long.
delete from staff_totp where staff_id = $1 and confirmed_at is null and (family = $2 or made_at <= $3);

-- name: delete_unconfirmed
-- Deletes every secret that is being set up, in whatever session.
delete from staff_totp where staff_id = $1 and confirmed_at is null;

-- name: delete_old_unconfirmed
-- Deletes secrets whose set-up was not finished.
delete from staff_totp where confirmed_at is null and made_at <= $1;

-- name: add_secret
-- Adds a secret; it counts once its code was entered in the same session.
insert into staff_totp (staff_id, family, secret, made_at) values ($1, $2, $3, $4);

-- name: find_unconfirmed
-- The secret that is being set up in a session: another session of the same account neither sees nor confirms it.
select totp_id, secret, last_step from staff_totp
where staff_id = $1 and family = $2 and confirmed_at is null and made_at > $3;

-- name: find_confirmed
-- The secret in use.
select totp_id, secret, last_step from staff_totp where staff_id = $1 and confirmed_at is not null;

-- name: delete_confirmed
-- Deletes the secret in use, because another replaces it, or it was lost.
delete from staff_totp where staff_id = $1 and confirmed_at is not null;

-- name: confirm
-- Confirms a secret, which counts from now on; the code that proved it does not count again.
update staff_totp set confirmed_at = $2, last_step = $3, family = null where totp_id = $1;

-- name: use_step
-- Uses a code up, in one statement: of two that arrive at once, one counts.
update staff_totp set last_step = $2 where totp_id = $1 and last_step < $2 returning totp_id;

-- name: list_secrets
-- The secret of every app, in use or being set up.
select totp_id, secret from staff_totp order by totp_id;

-- name: renew_secret
-- Replaces a secret by the same one encrypted anew, unless it was replaced meanwhile.
update staff_totp set secret = $3 where totp_id = $1 and secret = $2;
