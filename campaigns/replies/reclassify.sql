-- name: list_stale
-- Replies that rules of another version read, and that staff have not dealt with. Left out are readings that no rule
-- made (by a provider, a button or a mail program), texts that could answer several messages, mails in which no words
-- are known to be the member's own (only their beginning is stored), and mails that a machine may have written (by its
-- subject, or through a list).
select reply_id
from reply
where rule_version <> $1 and reply_id > $2 and channel in ('sms', 'email') and closed_by is null
  and rule not in ('staff', 'provider', 'button', 'media', 'reaction_part', 'which_message', 'which_answer', 'take_back')
  and not (channel = 'email' and rule in ('repeated', 'subject', 'list'))
order by reply_id
limit $3;

-- name: lock_stale
-- Locks such a reply, if it still qualifies, with the menu and the subject of the message it answers. An opt-out is
-- applied even if its author is unknown, so why_open does not say whether the author is known: this query finds that
-- out. A claim in answer to a deleted message stays, because the answers that the message offered are no longer known.
select
  r.reply_id, r.channel, r.address, r.sender, r.text, r.received_at, r.person_id, r.message_id, m.address as written_to,
  to_jsonb(subject) as subject, r.reading, r.rule, r.why_open, r.state, r.answer_kind, r.answer_id,
  c.campaign_id, m.person_id as recipient_id,
  m.message_id is not null and m.step_id is null as transactional,
  case
    when r.why_open in ('shared_address', 'unknown_sender', 'no_message') then r.why_open
    when r.person_id is null and exists (select from address a where a.channel = r.channel and a.address = r.address)
      then 'shared_address'
    when r.person_id is null then 'unknown_sender'
    when m.message_id is null then 'no_message'
  end as author_doubt,
  case when r.channel = 'sms' then menu_of(st.content, v.variables) end as menu, -- digits are offered in texts only
  st.content::text as content, st.constants::text as constants, v.variables,
  exists (
    select from reply later
    where later.channel = r.channel and later.address = r.address and later.reading = 'opt_in'
      and (later.received_at, later.reply_id) > (r.received_at, r.reply_id)
  ) as started_since
from reply r
left join message_any m on m.message_id = r.message_id
left join step st on st.step_id = m.step_id
left join campaign c on c.campaign_id = m.campaign_id
left join subject using (subject_kind, subject_id)
cross join lateral (
  select coalesce(
    (select live.variables from message live where live.message_id = m.message_id),
    (select jsonb_build_object('language', p.language) from person p where p.person_id = m.person_id)
  ) as variables -- not archived with a message: then its language is taken to be the person's of today
) as v
where r.reply_id = $1 and r.rule_version <> $2 and r.closed_by is null
  and (r.answer_id is null or m.message_id is not null)
for update of r;

-- name: store_version
-- Records that the newer rules gave the same reading.
update reply set rule = $2, rule_version = $3 where reply_id = $1;

-- name: correct_reply
-- Stores the new reading; the reply is open if staff have to look at it now.
update reply
set reading = $2, rule = $3, rule_version = $4, answer_kind = case when $6::bigint is not null then $5::text end, answer_id = $6,
  why_open = $7::text, asked_until = null, state = case when $7 is null then 'closed' else 'open' end
where reply_id = $1;
