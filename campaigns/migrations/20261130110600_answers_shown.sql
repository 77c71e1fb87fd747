-- What staff see of an answer that was taken back or changed since.
-- migrate:up

-- Labels of answers, of the kinds of subjects whose answers have one, with the label of what counts now.
create or replace view answer_label with (security_invoker = true) as
select 'question'::text as answer_kind, response_id as answer_id, label, present_label from response_label;

-- Answers as lines of a person's history.
create or replace view answer_said with (security_invoker = true) as
select
  at, kind, message_id, source, label, null::text as text, note, person_id, 'ballot'::text as subject_kind,
  ballot_id as subject_id, subject_name, undone_message_id, null::text as counted_label, false as has_former_answer
from claim_said
union all
select
  at, kind, message_id, source, label, text, note, person_id, 'question', question_id, subject_name, undone_message_id,
  counted_label, has_former_answer
from response_said;

-- Replies as staff see them: `present_answer` is what their author has answered now, where the reply became an answer.
create or replace view reply_shown with (security_invoker = true) as
select
  r.reply_id, r.received_at, r.channel, r.address, r.text, r.reading, r.rule, r.message_id, r.note, r.why_open, r.state,
  r.closed_at, r.closed_by,
  p.person_id, p.external_id, trim(p.first_name || ' ' || p.last_name) as name, u.name as unit, subject.subject_kind,
  subject.name as subject, answer_label.label as answer,
  held.holders, held.holder_names, answer_label.present_label as present_answer
from reply r
left join lateral (
  select
    array_agg(h.external_id order by h.external_id) as holders,
    array_agg(trim(h.first_name || ' ' || h.last_name) order by h.external_id) as holder_names
  from address a join person h using (person_id)
  where a.channel = r.channel and a.address = r.address
) held on true
left join person p on p.person_id = r.person_id
left join unit u on u.unit_id = p.unit_id
left join message_recipient m on m.message_id = conversation_of(r.message_id)
left join campaign c on c.campaign_id = m.campaign_id
left join subject using (subject_kind, subject_id)
left join answer_label using (answer_kind, answer_id);

-- migrate:down
