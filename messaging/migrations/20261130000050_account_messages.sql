-- migrate:up

-- Invitations, and news of an account, are a kind of their own beside sign-in links.
-- squawk-ignore ban-drop-constraint
alter table transactional drop constraint transactional_kind_check;
alter table transactional add constraint transactional_kind_check
  check (kind in ('sign_in', 'account', 'opt_out_confirmed', 'auto_reply', 'staff_reply', 'test')) not valid;

-- Why a transactional message is stopped, if anything stops it, from what stops messages there at all (`stops_of`). Two sorts go
-- through: what staff are sent about their accounts; and the confirmation of an opt-out, although that opt-out, the one it
-- confirms, stops everything else to the address.
create or replace function stop_of_transactional(
  kind text, reference text, channel text, address text, for_person text, suppressed text
) returns text language sql stable parallel safe as $$
  select case
    when kind in ('sign_in', 'account') then null
    when kind = 'opt_out_confirmed' and suppressed = 'opted_out' and exists (
      select from suppression u
      where u.channel = stop_of_transactional.channel and u.address = stop_of_transactional.address
        and u.event_id::text = reference
    ) then for_person
    else suppressed
  end
$$;

-- migrate:down
