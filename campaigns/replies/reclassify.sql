-- name: stale
-- Replies in words that rules of another version read, and nobody of staff has dealt with. What a provider or a button said
-- is no matter of rules; nor is a mail in which no words are known to be the member's own, which is kept as it begins, nor
-- one that a machine may have written: by its subject, or through a list.
select reply_id
from reply
where rule_version <> $1 and reply_id > $2 and channel in ('sms', 'email') and closed_by is null
  and rule not in ('staff', 'provider', 'button', 'media') and not (channel = 'email' and rule in ('repeated', 'subject', 'list'))
order by reply_id
limit $3;

-- name: hold_stale
-- One of them, if it still is one; the menu and the ballot are those of the message it answers. Whoever opts out is
-- obeyed without asking who it is, so why a claim by them would be nobody's is not in why_open: it is found out here.
-- What was claimed in answer to a message that is forgotten by now stands: nobody knows any more what that offered.
select
  r.reply_id, r.channel, r.address, r.text, r.reading, r.rule, r.message_id, r.person_id, r.claim_id, r.why_open,
  r.received_at, c.ballot_id, b.opens_at, b.closes_at, m.address as asked_at,
  case
    when r.why_open in ('shared_address', 'unknown_sender', 'no_message') then r.why_open
    when r.person_id is null and exists (select from address a where a.channel = r.channel and a.address = r.address)
      then 'shared_address'
    when r.person_id is null then 'unknown_sender'
    when c.ballot_id is null then 'no_message'
  end as nobody,
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
left join ballot b on b.ballot_id = c.ballot_id
cross join lateral (
  select coalesce(
    (select live.variables from message live where live.message_id = m.message_id),
    (select jsonb_build_object('language', p.language) from person p where p.person_id = m.person_id)
  ) as variables -- which are not archived with a message: then it spoke the reader's language of today
) as v
where r.reply_id = $1 and r.rule_version <> $2 and r.closed_by is null
  and (r.claim_id is null or m.message_id is not null)
for update of r;

-- name: same
-- Read the same by the newer rules.
update reply set rule = $2, rule_version = $3 where reply_id = $1;

-- name: put_right
-- Read otherwise; it is open where a person has to look at it now.
update reply
set reading = $2, rule = $3, rule_version = $4, claim_id = $5, why_open = $6::text,
  state = case when $6 is null then 'closed' else 'open' end
where reply_id = $1;

-- name: note
-- Who had it read again, and what became of it.
insert into audit (actor, action, subject, detail, at) values ($1, 'reread_reply', $2, $3, $4);
