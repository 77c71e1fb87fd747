-- name: find_staff
-- One member of staff; the unique key is the address in lower case, as it is stored.
select staff_id, name, email, phone, disabled_at from staff where email = $1;

-- name: add_staff
-- Adds a member of staff. Two processes may add the same person at once: the second adds nobody, and finds the first
-- one's row.
insert into staff (email, name, phone) values ($1, $2, $3)
on conflict (email) do nothing
returning staff_id, name, email, phone, disabled_at;

-- name: set_phone
-- Sets or removes the number for sign-in links by text.
update staff set phone = $2 where staff_id = $1;

-- name: list_accounts
-- All accounts, with the last sign-in, so that staff who left long ago stand out.
select s.email, s.name, s.phone, s.created_at, s.disabled_at, max(l.used_at) as signed_in_at
from staff s left join sign_in l using (staff_id)
group by s.staff_id
order by s.disabled_at is not null, s.email;

-- name: disable
-- Disables an account at once: every page checks whether its reader is disabled.
update staff set disabled_at = coalesce(disabled_at, $2) where staff_id = $1;

-- name: enable
-- Enables an account again.
update staff set disabled_at = null where staff_id = $1;
