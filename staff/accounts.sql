-- name: find_staff
-- One member of staff; the unique key is the address in lower case, as it is stored.
select staff_id, name, email, phone, disabled_at from staff where email = $1;

-- name: lock_account
-- Locks an account, so that set-ups, proofs, sign-ins, sign-outs and resets of it take turns.
select staff_id from staff where staff_id = $1 for update;

-- name: add_staff
-- Adds a member of staff. Two processes may add the same person at once: the second adds nobody, and finds the first
-- one's row.
insert into staff (email, name, phone) values ($1, $2, $3)
on conflict (email) do nothing
returning staff_id, name, email, phone, disabled_at;

-- name: set_phone
-- Sets or removes the number for sign-in links by text.
update staff set phone = $2, phone_verified_at = case when phone = $2 then phone_verified_at end where staff_id = $1;

-- name: verify_phone
-- Notes that a link by text to this number was used, the first time.
update staff set phone_verified_at = $3 where staff_id = $1 and phone = $2 and phone_verified_at is null returning staff_id;

-- name: list_accounts
-- All accounts, with the last sign-in, so that staff who left long ago stand out, and the second factors they have set up.
select
  s.staff_id, s.email, s.name, s.phone, s.phone_verified_at, s.created_at, s.disabled_at, s.signed_in_at,
  app.staff_id is not null as has_totp, coalesce(passkey.passkeys, 0) as passkeys,
  coalesce(code.recovery_codes, 0) as recovery_codes
from staff s
left join (select staff_id, count(*) as passkeys from staff_passkey group by staff_id) passkey using (staff_id)
left join staff_totp app on app.staff_id = s.staff_id and app.confirmed_at is not null
left join (select staff_id, count(*) as recovery_codes from staff_recovery_code where used_at is null group by staff_id) code
  on code.staff_id = s.staff_id
order by s.disabled_at is not null, s.email;

-- name: disable
-- Disables an account at once: every page checks whether its reader is disabled.
update staff set disabled_at = coalesce(disabled_at, $2) where staff_id = $1;

-- name: enable
-- Enables an account again.
update staff set disabled_at = null where staff_id = $1;
