-- name: texts
-- Texts of a step that were sent, to be answered.
select message_id, address from message where step_id = $1 and state = 'accepted' order by message_id limit $2;

-- name: mails
-- Emails of a step to people without a phone, who answer by no text: their buttons are to be pressed.
select m.message_id
from message m
where m.step_id = $1 and m.state = 'accepted'
  and not exists (select from address a where a.person_id = m.person_id and a.channel = 'sms')
order by m.message_id
limit $2;

-- name: sent_earlier
-- Answers a few seconds after a message was sent look like a machine's.
update message set sent_at = sent_at - interval '1 hour', wire_at = wire_at - interval '1 hour'
where message_id = any ($1::bigint[]);

-- name: counted
-- People whose answer counts, of either kind.
select (select count(*) from claim_status where kind = 'voted') + (select count(*) from response_status where answer = 'good');

-- name: close_questions
-- The next round asks the same people: what is open to them otherwise would have letters, and be asked back.
update question set closes_at = now() where closes_at > now();
