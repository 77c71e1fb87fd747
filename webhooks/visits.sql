-- name: open
-- A look at a page. It gives whoever looks one chance to answer, and says nothing about the person.
insert into link_visit (message_id, action, stage, nonce, agent, signals, at, asked)
values ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: use
-- A look gives one chance: of two presses at the same moment the second finds it used.
update link_visit
set answered_at = $4, answer = $5
where nonce = $1 and message_id = $2 and action = $3 and answered_at is null and at > $4::timestamptz - $6::interval
returning stage, agent, signals, at, asked;
