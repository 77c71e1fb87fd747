-- name: find_member
-- The member with a membership number.
select person_id, trim(first_name || ' ' || last_name) as name from person
where external_id = $1 and erased_at is null;

-- name: list_addresses
-- The member's addresses, in the order they are tried.
select channel, address from address where person_id = $1 order by channel desc, rank, address_id;

-- name: list_history
-- History of one address, oldest first.
select action, purpose, reason, source, at from suppression_event where channel = $1 and address = $2 order by event_id;
