-- name: add_link
-- Adds a link and leaves older ones alone: somebody may just be opening one.
insert into sign_in (digest, pieces, staff_id, expires_at) values ($1, $2, $3, $4);

-- name: forget_old_links
-- Deletes links that ran out a month ago.
delete from sign_in where expires_at < $1::timestamptz - interval '30 days';

-- name: forget_old_sessions
-- Deletes sessions that ran out a month ago.
delete from staff_session where expires_at < $1::timestamptz - interval '30 days';

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
returning l.staff_id;

-- name: find_mailbox
-- The mailbox of a member of staff.
select email from staff where staff_id = $1;

-- name: add_session
-- Adds a session.
insert into staff_session (digest, staff_id, began_at, created_at, seen_at, expires_at) values ($1, $2, $3, $3, $3, $4);

-- name: find_session
-- A session and its member of staff; an account that was disabled has none from that moment on.
select s.staff_id, s.name, s.email, x.created_at, x.seen_at, x.expires_at, x.began_at, x.retired_at is not null as retired
from staff_session x join staff s using (staff_id)
where x.digest = $1 and x.expires_at > $2 and x.began_at > $3 and s.disabled_at is null;

-- name: see_session
-- Extends a session. Another request may have changed the token since it was looked up: a retired one ends with its
-- minute of grace.
update staff_session set seen_at = $2, expires_at = $3
where digest = $1 and retired_at is null
returning digest;

-- name: lock_by_session
-- Locks the account, so that nobody's access is ended between here and the commit: a token changed meanwhile would
-- leave a session that was not there yet when the others were deleted.
select s.staff_id from staff s join staff_session x using (staff_id) where x.digest = $1 for key share of s;

-- name: lock_to_sign_in
-- Locks the accounts of a link and of the session it replaces, in one order, so that two sign-ins do not deadlock.
select staff_id from staff
where staff_id in (
  select staff_id from sign_in where digest = $1
  union all select staff_id from staff_session where digest = $2
)
order by staff_id
for update;

-- name: lock_to_end
-- Locks the account to end its access: waits for tokens that are just being changed, so that what is deleted next is
-- all there is.
select staff_id from staff where staff_id = $1 for update;

-- name: lock_to_end_session
-- The same, by a session.
select s.staff_id from staff s join staff_session x using (staff_id) where x.digest = $1 for update of s;

-- name: change_token
-- Changes a session's token, in one statement, so that of several requests at once one changes it, and a session has
-- one valid token. Requests that left the browser together with that one carry the old token for a moment.
with retired as (
  update staff_session set retired_at = $2, expires_at = least(expires_at, $3)
  where digest = $1 and retired_at is null
  returning staff_id, family, began_at
)
insert into staff_session (digest, staff_id, family, began_at, created_at, seen_at, expires_at)
select $4, staff_id, family, began_at, $2, $2, $5 from retired
returning digest;

-- name: end_session
-- Ends a session with every token that its own came from or became; a session that ran out long ago is no sign-out.
with ended as (
  delete from staff_session
  where family = (select family from staff_session where digest = $1 and expires_at > $2)
  returning staff_id
)
select distinct staff_id from ended;

-- name: end_sessions
-- Ends all sessions of an account. Each that could still open a page counts once, however many tokens it has.
with ended as (
  delete from staff_session where staff_id = $1 returning family, expires_at
)
select count(distinct family) filter (where expires_at > $2) from ended;

-- name: drop_unused_links
-- Deletes unused links; used ones stay, as they show when somebody last signed in.
with dropped as (
  delete from sign_in where staff_id = $1 and used_at is null returning expires_at
)
select count(*) filter (where expires_at > $2) from dropped;
