-- name: list_answers
-- Everything people said, by every channel, in order of time: their replies and button presses, answers recorded of
-- them about each subject, and opt-outs made or lifted.
with addresses as (
  select * from unnest($2::text[], $3::text[]) as a (channel, address)
)
select at, kind, message_id, source, label, text, null as channel, note, null as subject_kind, null as subject_name,
  null as counted_label, false as has_former_answer
from reply_said
where person_id = any ($1::bigint[]) or message_id = any ($4::bigint[])
  or (channel, address) in (select channel, address from addresses)
union all
select at, kind, message_id, source, label, text, null, note, subject_kind, subject_name, counted_label, has_former_answer
from answer_said
where person_id = any ($1)
union all
select e.at, e.action, e.message_id, e.source, e.reason, null, e.channel, e.purpose, null, null, null, false
from suppression_event e
where (e.channel, e.address) in (
  select channel, address from addresses union all select 'person', person_id::text from unnest($1::bigint[]) as p (person_id)
)
order by 1;

-- name: list_of_message
-- The same for the answers to one message.
select at, kind, message_id, source, label, text, null as channel, note, null as subject_kind, null as subject_name,
  null as counted_label, false as has_former_answer
from reply_said
where message_id = $1
union all
select c.at, c.kind, c.message_id, c.source, c.label, c.text, null, c.note, c.subject_kind, c.subject_name, c.counted_label,
  c.has_former_answer
from message_any m
join campaign k using (campaign_id)
join answer_said c
  on c.subject_kind = k.subject_kind and c.subject_id = k.subject_id and c.person_id = m.person_id
where m.message_id = $1 and $1 in (c.message_id, c.undone_message_id)
union all
select e.at, e.action, e.message_id, e.source, e.reason, null, e.channel, e.purpose, null, null, null, false
from message_any m
join suppression_event e
  on (e.channel, e.address) in ((m.channel, m.address), ('person', m.person_id::text)) and e.message_id = m.message_id
where m.message_id = $1
order by 1;

-- name: list_addresses
-- The addresses of some people.
select distinct channel, address from address where person_id = any ($1::bigint[]);
