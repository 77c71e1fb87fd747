-- name: member
-- Whose membership number it is.
select person_id, trim(first_name || ' ' || last_name) as name from person
where external_id = $1 and erased_at is null;

-- name: addresses
-- Theirs, in the order they are tried.
select channel, address from address where person_id = $1 order by channel desc, rank, address_id;

-- name: history
-- What is known of one address, the first first.
select action, purpose, reason, source, at from suppression_event where channel = $1 and address = $2 order by event_id;
