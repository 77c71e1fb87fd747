-- name: note_sent_once
-- Returns true once for each address and text.
insert into sent_once (channel, address, kind, at) values ($1, $2, $3, $4) on conflict do nothing returning true;
