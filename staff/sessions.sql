-- name: add_session
-- Adds a session.
insert into staff_session (digest, staff_id, began_at, created_at, seen_at, expires_at, browser, came_from, second_factor_at)
values ($1, $2, $3, $3, $3, $4, $5, $6, $7);

-- name: delete_old_sessions
-- Deletes sessions that ran out a month ago.
delete from staff_session where expires_at < $1::timestamptz - interval '30 days';

-- name: find_mailbox
-- The mailbox of a member of staff.
select email from staff where staff_id = $1;

-- name: find_session
-- A session and its member of staff; an account that was disabled has none from that moment on.
select
  s.staff_id, s.name, s.email, x.created_at, x.seen_at, x.expires_at, x.began_at, x.retired_at is not null as retired,
  x.family, x.second_factor_at,
  exists (select from staff_totp t where t.staff_id = s.staff_id and t.confirmed_at is not null)
    or exists (select from staff_passkey p where p.staff_id = s.staff_id) as has_second_factor
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

-- name: note_sign_in
-- Records when somebody signed in last, because links and sessions are deleted after a while.
update staff set signed_in_at = $2 where staff_id = $1;

-- name: empty_proofs
-- Clears the proofs of an account's sessions: they no longer count once the account has no factor.
update staff_session set second_factor_at = null where staff_id = $1;

-- name: lock_to_end_session
-- Locks the account of a session that is to end. It waits for tokens that are being changed, so that the next statement
-- deletes all of them.
select s.staff_id from staff s join staff_session x using (staff_id) where x.digest = $1 for update of s;

-- name: change_token
-- Changes a session's token, in one statement, so that of several requests at once one changes it, and a session has
-- one valid token. Requests that left the browser together with that one carry the old token for a moment; a proof of
-- the second factor counts for the new one only, so somebody who knew the old one has gained nothing.
with retired as (
  update staff_session set retired_at = $2, expires_at = least(expires_at, $3)
  where digest = $1 and retired_at is null
  returning staff_id, family, began_at, browser, came_from, second_factor_at
)
insert into staff_session (
  digest, staff_id, family, began_at, created_at, seen_at, expires_at, browser, came_from, second_factor_at
)
select $4, staff_id, family, began_at, $2, $2, $5, browser, came_from, coalesce($6, second_factor_at) from retired
returning digest;

-- name: end_session
-- Ends a session with every token that its own came from or became; ending a session that ran out long ago does not
-- count as a sign-out.
with ended as (
  delete from staff_session
  where family = (select family from staff_session where digest = $1 and expires_at > $2)
  returning staff_id
)
select distinct staff_id from ended;

-- name: end_family
-- Ends one session of an account, by its family; whether it could still open a page.
with ended as (
  delete from staff_session where staff_id = $1 and family = $2 returning expires_at
)
select count(*) > 0 from ended where expires_at > $3;

-- name: end_sessions
-- Ends all sessions of an account, except one that is to stay, if any. Each that could still open a page counts once,
-- however many tokens it has.
with ended as (
  delete from staff_session where staff_id = $1 and ($3::uuid is null or family <> $3) returning family, expires_at
)
select count(distinct family) filter (where expires_at > $2) from ended;

-- name: list_sessions
-- The sessions of an account that can still open a page, each with its newest token.
select distinct on (family) family, browser, came_from, began_at, seen_at, expires_at, second_factor_at
from staff_session
where staff_id = $1 and expires_at > $2 and began_at > $3 and retired_at is null
order by family, created_at desc;
