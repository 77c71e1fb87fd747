-- name: tell_once
-- The first who asks may tell them.
insert into told_once (channel, address, what, at) values ($1, $2, $3, $4) on conflict do nothing returning true;
