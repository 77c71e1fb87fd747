-- name: is_anybody_sending
-- Whether any worker has sent a heartbeat lately.
select exists (select from dispatcher where gone_at is null and until > clock_timestamp());

-- name: enter
-- Adds a worker's row, at its start or its first claim; none for a worker of another version than the outbox.
insert into dispatcher (name, until, steady_since)
select $1, clock_timestamp() + $2::float8 * interval '1 second', clock_timestamp()
where outbox_version() = $3
returning dispatcher_id;

-- name: beat
-- Extends the lease, by this server's clock, so that a worker whose own clock is wrong neither loses nor keeps its
-- messages because of that. A worker that was declared gone stays gone, because others may have taken its messages.
-- After an interruption the heartbeat counts as steady only from now on: a worker that has just missed the server
-- itself must not declare others gone.
update dispatcher
set until = clock_timestamp() + $2::float8 * interval '1 second',
    steady_since = case
      when until < clock_timestamp() + ($2::float8 - $3::float8) * interval '1 second' then clock_timestamp()
      else steady_since
    end
where dispatcher_id = $1 and gone_at is null
returning dispatcher_id, outbox_version() as version;

-- name: leave
-- Records that a worker has stopped in order.
update dispatcher set gone_at = clock_timestamp() where dispatcher_id = $1 and gone_at is null;
