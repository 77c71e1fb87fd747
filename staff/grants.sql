-- name: list_in_force
-- Grants of an account that are in force; read for every page, so that one revoked counts no longer from then on.
select role, unit_id from staff_grant
where staff_id = $1 and revoked_at is null and starts_at <= $2 and (ends_at is null or ends_at > $2)
order by grant_id;
