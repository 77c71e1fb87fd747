-- name: list_recent_links
-- Links that can be used or ended lately, invitations included, with the digests of their pieces. Used ones are among them: what
-- was quoted once is quoted again. They are asked for whatever comes in that may hold a token.
select digest, pieces from sign_in where expires_at > $1
union all
select digest, pieces from staff_invitation where expires_at > $1;

-- name: revoke_links
-- Lets links expire that somebody sent back; if two transactions do so at once, one counts.
update sign_in l set expires_at = $2
from staff s
where l.digest = any ($1::bytea[]) and l.used_at is null and l.expires_at > $2 and s.staff_id = l.staff_id
returning l.staff_id, s.email;

-- name: revoke_invitations
-- The same for invitations, which stay open: another link can be made.
update staff_invitation set expires_at = $2
where digest = any ($1::bytea[]) and accepted_at is null and withdrawn_at is null and expires_at > $2
returning invitation_id, email;
