-- name: enter
-- A courier is present from its first claim on, or from its worker's start.
insert into courier (name, until, steady_since)
values ($1, clock_timestamp() + $2::float8 * interval '1 second', clock_timestamp())
returning courier_id;

-- name: beat
-- Still here. By this server's clock: a worker whose own is wrong can neither lose what it has nor keep it by that. One
-- that was declared gone stays gone, for others may have taken what it had. After a break the heart is steady only from
-- now on: whoever has just missed the server itself must not judge who else did.
update courier
set until = clock_timestamp() + $2::float8 * interval '1 second',
    steady_since = case
      when until < clock_timestamp() + ($2::float8 - $3::float8) * interval '1 second' then clock_timestamp()
      else steady_since
    end
where courier_id = $1 and gone_at is null
returning courier_id;

-- name: leave
-- Gone in order.
update courier set gone_at = clock_timestamp() where courier_id = $1 and gone_at is null;
