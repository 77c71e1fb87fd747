-- migrate:up

-- For everyone: which campaigns there are; whom they are for and what they say is not read here.
grant select on notice to muster_staff, muster_staff_all;
grant select (
  campaign_id, name, title, subject_kind, subject_id, state, paused_reason, created_at, launched_at, finished_at
) on campaign to muster_staff, muster_staff_all;
alter view subject set (security_invoker = true);
alter view subject_status set (security_invoker = true);
alter view answer_label set (security_invoker = true);
alter view answer_said set (security_invoker = true);
alter view reply_said set (security_invoker = true);
grant select on subject, answer_label to muster_staff, muster_staff_all;

-- A reply comes from an address and may say anything, so it takes the permission for addresses. One whose author is not known
-- is seen with the whole organisation only.
alter table reply enable row level security;
create policy worker on reply to muster_worker using (true) with check (true);
create policy staff on reply for select to muster_staff using (
  (select contacts_are_everywhere())
    and exists (select from person p where p.person_id = reply.person_id)
  or exists (
    select from person p where p.person_id = reply.person_id and p.unit_id = any ((select contact_units())::bigint[])
  )
);
create policy staff_all on reply for select to muster_staff_all using (
  (select scope_is_everywhere() and contacts_are_everywhere())
  or exists (
    select from person p where p.person_id = reply.person_id and p.unit_id = any ((select contact_units())::bigint[])
  )
);
grant select (
  reply_id, channel, address, person_id, message_id, text, reading, rule, answer_kind, answer_id, note, why_open, state, asked_until,
  received_at, closed_at, closed_by
) on reply to muster_staff, muster_staff_all;

-- As before, by what staff may read of messages.
create or replace view reply_shown with (security_invoker = true) as
select
  r.reply_id, r.received_at, r.channel, r.address, r.text, r.reading, r.rule, r.message_id, r.note, r.why_open, r.state,
  r.closed_at, r.closed_by,
  p.person_id, p.external_id, trim(p.first_name || ' ' || p.last_name) as name, u.name as unit, subject.subject_kind,
  subject.name as subject, answer_label.label as answer,
  held.holders, held.holder_names
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
grant select on reply_shown to muster_staff, muster_staff_all;

-- migrate:down
