-- name: tell_once
-- The first who asks may tell them.
insert into told_once (channel, address, what, at) values ($1, $2, $3, $4) on conflict do nothing returning true;

-- name: organisation
-- Whose ballot it is; "" where its file names nobody.
select organisation from ballot where ballot_id = $1;
