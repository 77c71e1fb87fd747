-- name: list_open
-- Open replies, longest waiting first, with the message each answers, so that staff need not look anything up.
select * from reply_shown
where (state = 'open' and ($2::text is null or why_open = $2)) or (state = 'asked' and $2 = 'asked_back')
order by received_at, reply_id
limit $1;

-- name: count_asked
-- How many replies wait for a better reply by their authors, who were asked back.
select count(*) from reply where state = 'asked';

-- name: follow_up_asked
-- Closes replies whose authors have written again, or answered otherwise, since they were asked back; opens for staff
-- the replies whose authors have not answered in time. Who was asked which answer they take back has answered before.
with judged as (
  select
    r.reply_id, r.asked_until,
    exists (
      select from reply later where later.channel = r.channel and later.address = r.address and later.reply_id > r.reply_id
    ) or r.rule <> 'which_answer' and exists (
      select from subject_status s
      where s.subject_kind = c.subject_kind and s.subject_id = c.subject_id and s.person_id = r.person_id
    ) as answered
  from reply r
  left join message_any m on m.message_id = r.message_id
  left join campaign c on c.campaign_id = m.campaign_id
  where r.state = 'asked'
)
update reply r
set state = case when judged.answered then 'closed' else 'open' end, why_open = case when not judged.answered then 'unclear' end
from judged
where r.reply_id = judged.reply_id and r.state = 'asked' and (judged.answered or judged.asked_until <= $1);

-- name: list_by_reading
-- Replies with one reading, latest first, open or not (reactions never are).
select * from reply_shown where reading = $2 order by reply_id desc limit $1;

-- name: add_note
-- Sets the note for staff.
update reply set note = $2 where reply_id = $1;

-- name: find_reply
-- One reply in the same form, with its state.
select * from reply_shown where reply_id = $1;

-- name: list_classifications
-- All readings a reply has had, oldest first.
select reading, rule, rule_version, reader, answer_id, at from reply_classification where reply_id = $1 order by classification_id;

-- name: list_other_replies
-- The latest other replies from that address.
select received_at, text, reading
from reply
where channel = $1 and address = $2 and reply_id <> $3
order by reply_id desc
limit 10;

-- name: correct_reply
-- Replaces the rule's reading by the reading of staff; the audit keeps both.
update reply
set reading = $2, rule = 'staff', person_id = coalesce($3, person_id), answer_kind = $4, answer_id = $5, state = 'closed',
  closed_at = $6, closed_by = $7
where reply_id = $1;

-- name: has_caused_opt_out
-- Whether the opt-out in force for an address has this source and answers this message.
select exists (
  select from suppression s
  join suppression_event e using (event_id)
  where s.channel = $1 and s.address = $2 and s.reason = 'opted_out' and e.source = $3 and e.message_id is not distinct from $4
);

-- name: reopen_reply
-- Opens a reply that staff say is no opt-out, so that somebody reads it.
update reply
set reading = 'unclear', rule = 'staff', state = 'open', why_open = 'unclear', closed_at = null, closed_by = null
where reply_id = $1;
