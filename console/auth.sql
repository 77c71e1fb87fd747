-- name: find_staff
-- The unique key is the address in lower case, as it is stored.
select staff_id, name, disabled_at from staff where email = $1;

-- name: add_staff
-- Two processes may add the same person at once: the second finds the first one's row.
insert into staff (email, name) values ($1, $2)
on conflict (email) do update set email = excluded.email
returning staff_id, name, disabled_at;

-- name: add_link
-- Asking for a new link leaves older ones alone: somebody may just be opening one.
insert into sign_in (digest, staff_id, expires_at) values ($1, $2, $3);

-- name: forget_old_links
-- Links are short-lived: nothing is learnt from one a month old.
delete from sign_in where expires_at < $1::timestamptz - interval '30 days';

-- name: forget_old_sessions
-- An expired session opens nothing; it is kept no longer than it is useful to see it ended.
delete from staff_session where expires_at < $1::timestamptz - interval '30 days';

-- name: look_at_link
-- Looking must not use it: link scanners look at everything.
select s.staff_id
from sign_in l join staff s using (staff_id)
where l.digest = $1 and l.used_at is null and l.expires_at > $2 and s.disabled_at is null;

-- name: use_link
-- One statement, so that of two presses at once only one succeeds.
update sign_in l set used_at = $2
from staff s
where l.digest = $1 and l.used_at is null and l.expires_at > $2
  and s.staff_id = l.staff_id and s.disabled_at is null
returning l.staff_id;

-- name: record_sign_in
insert into audit (at, actor, action, subject)
select $1, email, 'signed in', 'staff ' || staff_id from staff where staff_id = $2;

-- name: add_session
insert into staff_session (digest, staff_id, created_at, seen_at, expires_at) values ($1, $2, $3, $3, $4);

-- name: find_session
-- A member of staff who was disabled is out at once, whatever sessions are open.
select s.staff_id, s.name, s.email, x.created_at, x.seen_at, x.expires_at
from staff_session x join staff s using (staff_id)
where x.digest = $1 and x.expires_at > $2 and s.disabled_at is null;

-- name: see_session
update staff_session set seen_at = $2, expires_at = $3 where digest = $1;

-- name: retire_session
-- The requests that left the browser together with the one that rotated it still carry the old token for a moment.
update staff_session set expires_at = least(expires_at, $2) where digest = $1;

-- name: end_session
delete from staff_session where digest = $1;
