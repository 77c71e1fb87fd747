-- name: list_in_force
-- Grants of an account that are in force; read for every page, so that a revoked grant stops counting at once. A
-- disabled account has none.
select g.role, g.unit_id from staff_grant g join staff s using (staff_id)
where g.staff_id = $1 and g.revoked_at is null and g.starts_at <= $2 and (g.ends_at is null or g.ends_at > $2)
  and s.disabled_at is null
order by g.grant_id;

-- name: lock
-- Lets one transaction at a time give, revoke or disable: two administrators who revoke each other at the same moment
-- must not both find that the other one is still there.
select pg_advisory_xact_lock(hashtextextended('staff grants', 0));

-- name: find_same
-- A grant of the same role in the same unit that has not ended, in force or to come, with the path of its unit.
select g.grant_id, g.starts_at, g.ends_at, (select unit_path(lineage) from unit where unit_id = g.unit_id) as unit
from staff_grant g
where staff_id = $1 and role = $2 and unit_id is not distinct from $3 and revoked_at is null
  and (ends_at is null or ends_at > $4) and ($5::timestamptz is null or starts_at < $5)
  and (ends_at is null or ends_at > $6)
limit 1;

-- name: is_mailbox_of
-- Whether an account has this mailbox: an operator who names themselves by it may not change its grants.
select exists (select from staff where staff_id = $1 and lower(email) = $2);

-- name: find_unit_path
-- The path of a unit, for an error's words.
select unit_path(lineage) from unit where unit_id = $1;

-- name: add_grant
-- Gives a grant.
insert into staff_grant (staff_id, role, unit_id, starts_at, ends_at, given_by, given_at) values ($1, $2, $3, $4, $5, $6, $7)
returning grant_id;

-- name: find_to_revoke
-- The grants of a role that have not ended, in one unit or in every one; those to come as well. Nothing is revoked
-- before it is known that the actor may revoke it.
select grant_id, unit_id, starts_at, ends_at from staff_grant
where staff_id = $1 and role = $2 and ($4 or unit_id is not distinct from $3) and revoked_at is null
  and (ends_at is null or ends_at > $5)
for update;

-- name: revoke
-- Revokes grants.
update staff_grant set revoked_at = $2, revoked_by = $3 where grant_id = any ($1::bigint[]);

-- name: count_administrators
-- Accounts that can do everything, everywhere, until somebody revokes it: a grant with an end date does not count. Nor
-- does the account that `muster run` makes for trying Muster out.
select count(distinct g.staff_id)
from staff_grant g join staff s using (staff_id)
where g.role = $1 and g.unit_id is null and g.revoked_at is null and g.ends_at is null and g.starts_at <= $2
  and s.disabled_at is null and s.email <> 'staff@localhost';

-- name: covers
-- Whether a unit is one of several, or below one.
select lineage && $2::bigint[] from unit where unit_id = $1;

-- name: list_grants
-- Every grant that has not ended, by account, with the path of its unit.
select g.staff_id, g.role, g.unit_id, unit_path(u.lineage) as unit, g.starts_at, g.ends_at, g.given_by, g.given_at
from staff_grant g left join unit u using (unit_id)
where g.revoked_at is null and (g.ends_at is null or g.ends_at > $1) and ($2::bigint is null or g.staff_id = $2)
order by g.staff_id, g.grant_id;

-- name: list_idle
-- Grants in units that nobody is in any more, as after a branch was renamed or put under another region: a file makes new units.
select s.email, g.role, unit_path(u.lineage) as unit
from staff_grant g join unit u using (unit_id) join staff s using (staff_id)
where g.revoked_at is null and (g.ends_at is null or g.ends_at > $1) and s.disabled_at is null
  and not exists (
    select from unit below join person p on p.unit_id = below.unit_id
    where below.lineage && array[g.unit_id] and p.left_at is null
  )
order by unit, s.email, g.role;

-- name: list_ended
-- The last grants of an account that are over, for somebody who has none any more and asks what became of it.
select
  g.role, unit_path(u.lineage) as unit, least(g.revoked_at, g.ends_at) as ended_at,
  g.revoked_at is not null and (g.ends_at is null or g.revoked_at < g.ends_at) as is_revoked
from staff_grant g left join unit u using (unit_id)
where g.staff_id = $1 and (g.revoked_at is not null or g.ends_at <= $2)
order by ended_at desc
limit 5;
