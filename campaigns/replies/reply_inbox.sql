-- name: open_replies
-- Those that wait, longest first, with what they answer: enough to deal with one without looking anything up.
select * from reply_shown
where state = 'open' and ($2::text is null or why_open = $2)
order by received_at, reply_id
limit $1;

-- name: read_as
-- Those that are read in one way, latest first, whether or not they wait for anybody: reactions do not.
select * from reply_shown where reading = $2 order by reply_id desc limit $1;

-- name: add_note
-- What a reader should know beside the words.
update reply set note = $2 where reply_id = $1;

-- name: one_reply
-- The same of any one, and how it was dealt with.
select * from reply_shown where reply_id = $1;

-- name: readings
-- All it has been taken for.
select reading, rule, rule_version, reader, claim_id, at from reply_reading where reply_id = $1 order by reading_id;

-- name: others
-- What else that address has said lately.
select received_at, text, reading
from reply
where channel = $1 and address = $2 and reply_id <> $3
order by reply_id desc
limit 10;

-- name: hold
-- One reader at a time; with it, where the message went that it answers.
select
  r.reply_id, r.channel, r.address, r.message_id, r.person_id, r.reading, r.rule, r.claim_id, r.state, r.received_at,
  m.address as asked_at
from reply r
left join message_any m on m.message_id = r.message_id
where r.reply_id = $1
for update of r;

-- name: close
-- Dealt with, by whom and when; the first to close it keeps the honour.
update reply set state = 'closed', closed_at = $2, closed_by = $3 where reply_id = $1 and state = 'open';

-- name: correct
-- What a person read in it takes the place of what a rule read; the audit keeps both.
update reply
set reading = $2, rule = 'staff', person_id = coalesce($3, person_id), claim_id = $4, state = 'closed', closed_at = $5,
  closed_by = $6
where reply_id = $1;

-- name: made_by
-- Whether the opt-out that stands against an address came by this way in answer to this message.
select exists (
  select from suppression s
  join suppression_event e using (event_id)
  where s.channel = $1 and s.address = $2 and s.reason = 'opted_out' and e.source = $3 and e.message_id is not distinct from $4
);

-- name: reopen
-- Staff says that it is no opt-out: what it is, somebody has to read.
update reply
set reading = 'unclear', rule = 'staff', state = 'open', why_open = 'unclear', closed_at = null, closed_by = null
where reply_id = $1;

-- name: note
-- Who did what, for ever.
insert into audit (actor, action, subject, detail, at) values ($1, $2, $3, $4, $5);
