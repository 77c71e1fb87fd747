-- name: list_accounts
-- Shows the last sign-in, so that staff who left long ago stand out.
select s.email, s.name, s.phone, s.created_at, s.disabled_at, max(l.used_at) as signed_in_at
from staff s left join sign_in l using (staff_id)
group by s.staff_id
order by s.disabled_at is not null, s.email;

-- name: disable
-- Takes effect at once: every page checks whether its reader is disabled.
update staff set disabled_at = coalesce(disabled_at, $2) where staff_id = $1;

-- name: enable
update staff set disabled_at = null where staff_id = $1;
