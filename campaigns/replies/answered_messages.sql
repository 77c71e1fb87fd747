-- name: find_latest
-- The latest message sent from one of these senders to this address before the reply came: the reply answers it. (The
-- reply may be processed much later. We may learn a little late that a message was sent, hence the earlier of its two
-- times. A text may be sent from another number than its step's: the number of the provider that sent it.)
-- Transactional messages of the kinds in $5 are passed over: the reply still answers the message before them.
select m.message_id
from messages_to($1, $2) m
join sender s using (sender_id)
left join in_flight i on i.message_id = m.message_id -- a reply may come before the outcome is recorded
where coalesce(m.sent_from, i.sent_from, s.address) = any ($3::text[])
  and least(m.sent_at, m.wire_at, i.wire_at) <= $4::timestamptz + interval '5 seconds'
  and (
    m.step_id is not null or (select t.kind from transactional t where t.message_id = m.message_id) <> all ($5::text[])
  )
order by coalesce(m.sent_at, m.wire_at, i.wire_at) desc, m.message_id desc
limit 1;

-- name: find_latest_archived
-- The same for an archived message, which is found by the people who have the address now.
select m.message_id
from message_archive m
join sender s using (sender_id)
where m.person_id = any (array(select a.person_id from address a where a.channel = $1 and a.address = $2))
  and m.channel = $1 and m.address = $2 and s.address = any ($3::text[])
  and m.sent_at <= $4::timestamptz + interval '5 seconds'
  and (
    m.step_id is not null or (select t.kind from transactional t where t.message_id = m.message_id) <> all ($5::text[])
  )
order by m.sent_at desc, m.message_id desc
limit 1;

-- name: find_by_id
-- A message that is answered, with the subject that it, or its conversation, asked about. A message of the kinds in $3
-- stands for the message that it is about.
select
  m.message_id, m.person_id, m.channel, m.address, c.campaign_id, coalesce(m.sent_from, i.sent_from, s.address) as sender,
  to_jsonb(subject) as subject, m.step_id is null as transactional,
  menu_of(st.content, m.variables) as menu, st.content::text as content, st.constants::text as constants, m.variables
from message m
left join sender s using (sender_id)
left join in_flight i on i.message_id = m.message_id
left join step st using (step_id)
left join campaign c on c.campaign_id = coalesce(
  m.campaign_id, (select began.campaign_id from message_any began where began.message_id = conversation_of(m.message_id))
)
left join subject using (subject_kind, subject_id)
where m.channel = $1
  and m.message_id = coalesce((select t.about from transactional t where t.message_id = $2 and t.kind = any ($3::text[])), $2);

-- name: find_archived_by_id
-- The same for an archived message. (Its personal variables are not archived, so its language is taken to be the
-- person's present language.)
select
  m.message_id, m.person_id, m.channel, m.address, c.campaign_id, s.address as sender,
  to_jsonb(subject) as subject, m.step_id is null as transactional,
  menu_of(st.content, v.variables) as menu, st.content::text as content, st.constants::text as constants, v.variables
from message_archive m
left join sender s using (sender_id)
left join step st using (step_id)
left join campaign c on c.campaign_id = coalesce(
  m.campaign_id, (select began.campaign_id from message_any began where began.message_id = conversation_of(m.message_id))
)
left join subject using (subject_kind, subject_id)
left join lateral (select jsonb_build_object('language', p.language) as variables from person p where p.person_id = m.person_id) as v on true
where m.channel = $1
  and m.message_id = coalesce((select t.about from transactional t where t.message_id = $2 and t.kind = any ($3::text[])), $2);

-- name: find_template
-- The content, constants and variables of a message. The variables are not archived with it.
select m.channel, st.content::text as content, st.constants::text as constants,
  coalesce(live.variables, (select jsonb_build_object('language', p.language) from person p where p.person_id = m.person_id)) as variables
from message_any m
join step st using (step_id)
left join message live on live.message_id = m.message_id
where m.message_id = $1;

-- name: find_own_text
-- The text of a transactional message, while it is kept.
select content ->> 'text' from transactional where message_id = $1;

-- name: find_message
-- The recipient, address and sender of a message, and what it asked about.
select
  m.message_id, m.person_id, m.channel, m.address, m.campaign_id, s.address as sender, to_jsonb(subject) as subject
from message m
join campaign c using (campaign_id)
join subject using (subject_kind, subject_id)
left join sender s using (sender_id)
where m.message_id = conversation_of($1);

-- name: find_archived_message
-- The same for an archived message: for a reply that staff read late, or a link of an old message.
select
  m.message_id, m.person_id, m.channel, m.address, m.campaign_id, s.address as sender, to_jsonb(subject) as subject
from message_archive m
join campaign c using (campaign_id)
join subject using (subject_kind, subject_id)
left join sender s using (sender_id)
where m.message_id = conversation_of($1);
