-- name: add_link
-- Adds a link and leaves older ones alone: somebody may just be opening one.
insert into sign_in (digest, pieces, staff_id, expires_at, is_proof, phone) values ($1, $2, $3, $4, $5, $6);

-- name: delete_old_links
-- Deletes links that ran out a month ago.
delete from sign_in where expires_at < $1::timestamptz - interval '30 days';

-- name: look_at_link
-- Whether a link works; this does not use it, as link scanners open everything.
select s.staff_id
from sign_in l join staff s using (staff_id)
where l.digest = $1 and l.used_at is null and l.expires_at > $2 and s.disabled_at is null;

-- name: use_link
-- Uses a link, in one statement, so that of two presses at once only one succeeds.
update sign_in l set used_at = $2
from staff s
where l.digest = $1 and l.used_at is null and l.expires_at > $2
  and s.staff_id = l.staff_id and s.disabled_at is null
returning l.staff_id, l.is_proof, l.phone, s.email;

-- name: lock_to_sign_in
-- Locks the accounts of a link and of the session it replaces, in one order, so that two sign-ins do not deadlock.
select staff_id from staff
where staff_id in (
  select staff_id from sign_in where digest = $1
  union all select staff_id from staff_session where digest = $2
)
order by staff_id
for update;

-- name: count_live_links
-- Links of an account that can still be used.
select count(*) from sign_in where staff_id = $1 and used_at is null and expires_at > $2;

-- name: end_unused_links
-- Ends unused links; they stay, for a month, so that they are recognised where somebody quotes them.
with ended as (
  update sign_in set expires_at = $2 where staff_id = $1 and used_at is null and expires_at > $2 returning 1
)
select count(*) from ended;
