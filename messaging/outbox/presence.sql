-- name: enter
-- A courier is present from its first claim on.
insert into courier (name, until) values ($1, clock_timestamp() + $2::float8 * interval '1 second')
returning courier_id;

-- name: beat
-- Still here. By this server's clock: a worker whose own is wrong can neither lose what it has nor keep it by that. One
-- that was declared gone stays gone, for others may have taken what it had.
update courier set until = clock_timestamp() + $2::float8 * interval '1 second'
where courier_id = $1 and gone_at is null
returning courier_id;

-- name: leave
-- Gone in order.
update courier set gone_at = clock_timestamp() where courier_id = $1 and gone_at is null;
