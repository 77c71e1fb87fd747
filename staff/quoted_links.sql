-- name: list_live_links
-- Links that can still be used, with the digests of their pieces; nearly always none.
select digest, pieces from sign_in where used_at is null and expires_at > $1;

-- name: revoke_links
-- Lets links expire that somebody sent back; of two at once, one does it.
update sign_in l set expires_at = $2
from staff s
where l.digest = any ($1::bytea[]) and l.used_at is null and l.expires_at > $2 and s.staff_id = l.staff_id
returning l.staff_id, s.email;
