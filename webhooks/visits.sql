-- name: open
-- A look at a page. It gives whoever looks one chance to answer, and says nothing about the person.
insert into link_visit (message_id, action, stage, nonce, agent, signals, at, asked)
values ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: use
-- An answer comes from a look, once: of two presses at the same moment the second finds it used.
update link_visit
set answered_at = $4, answer = $5
where nonce = $1 and message_id = $2 and action = $3 and answered_at is null and at > $4::timestamptz - $6::interval
returning stage, agent, signals, at, asked;

-- name: around
-- What else was done with this message's links just before: machines follow all of them, people one.
-- Previews are left out: the phone in the member's own hand makes them.
select
  coalesce(bool_or('honeypot' = any (v.signals)), false) as honeypot,
  coalesce(bool_or(v.agent in ('scanner', 'tool', 'none')), false) as machine,
  coalesce(bool_or(v.action = 'unsubscribe'), false) as every_link,
  count(*) filter (where v.stage = 1 and v.action = 'confirm') as looks
from link_visit v
where v.message_id = $1 and v.at > $2::timestamptz - $3::interval;
