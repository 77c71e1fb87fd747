-- name: tell_once
-- Returns true once for each address and text.
insert into notice_sent (channel, address, what, at) values ($1, $2, $3, $4) on conflict do nothing returning true
