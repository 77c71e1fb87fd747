-- name: add_invitation
-- Invites somebody, unless they have an open invitation.
insert into staff_invitation (digest, pieces, email, name, role, unit_id, ends_at, invited_by, invited_at, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (email) where accepted_at is null and withdrawn_at is null do nothing
returning invitation_id;

-- name: close_expired
-- An invitation that ran out makes room for another to the same mailbox.
update staff_invitation set withdrawn_at = $2 where email = $1 and accepted_at is null and withdrawn_at is null and expires_at <= $2;

-- name: find_open
-- The open invitation of a mailbox, locked: it is changed once it is known that the actor may change it.
select
  i.invitation_id, i.name, i.role, i.unit_id, i.ends_at, (select unit_path(lineage) from unit where unit_id = i.unit_id) as unit
from staff_invitation i
where email = $1 and accepted_at is null and withdrawn_at is null
for update;

-- name: is_invited
-- Whether a mailbox has an open invitation; nothing is locked to look.
select exists (select from staff_invitation where email = $1 and accepted_at is null and withdrawn_at is null);

-- name: renew
-- Gives an invitation another link; the earlier link no longer works. The actor who sends it again is its inviter from
-- now on.
update staff_invitation set digest = $2, pieces = $3, expires_at = $4, invited_by = $5 where invitation_id = $1;

-- name: withdraw
-- Withdraws an invitation.
update staff_invitation set withdrawn_at = $2, accepted_at = null where invitation_id = $1;

-- name: withdraw_of
-- Withdraws the open invitations that an account has made.
update staff_invitation set withdrawn_at = $2
where accepted_at is null and withdrawn_at is null
  and invited_by ->> 'kind' = 'staff' and (invited_by ->> 'id')::bigint = $1
returning invitation_id, email;

-- name: list_mailboxes
-- Whom invitations went to, by number or by mailbox, open or not: the audit names them by number.
select invitation_id, email from staff_invitation where invitation_id = any ($1::bigint[]) or email = $2;

-- name: delete_old_invitations
-- Deletes invitations that nobody accepted, with the name and mailbox of the invited person, a month after they ended.
delete from staff_invitation
where staff_id is null and accepted_at is null
  and least(expires_at, coalesce(withdrawn_at, expires_at)) < $1::timestamptz - interval '30 days';

-- name: look_at
-- Whether a link works, and for whom; looking does not use it, as link scanners open everything.
select
  i.email, i.name, i.role, unit_path(u.lineage) as unit, i.ends_at, i.invited_by ->> 'name' as invited_by
from staff_invitation i left join unit u using (unit_id)
where digest = $1 and accepted_at is null and withdrawn_at is null and expires_at > $2;

-- name: accept
-- Uses an invitation, in one statement, so that of two presses at once only one succeeds.
update staff_invitation set accepted_at = $2
where digest = $1 and accepted_at is null and withdrawn_at is null and expires_at > $2
returning invitation_id, email, name, role, unit_id, ends_at, invited_by;

-- name: note_account
-- Records which account came from it.
update staff_invitation set staff_id = $2 where invitation_id = $1;

-- name: list_open
-- Invitations that were neither accepted nor withdrawn.
select i.email, i.name, i.role, unit_path(u.lineage) as unit, i.ends_at,
  i.invited_by ->> 'name' as invited_by, i.invited_at, i.expires_at
from staff_invitation i left join unit u using (unit_id)
where i.accepted_at is null and i.withdrawn_at is null
order by i.email;
