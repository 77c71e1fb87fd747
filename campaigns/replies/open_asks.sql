-- name: list_open_asks
-- For each subject that still takes answers, the latest message about it that went to this phone from one of these
-- senders before the reply came, the latest of all first. No rows if no question is open.
select * from (
  select distinct on (c.subject_kind, c.subject_id)
    m.message_id, m.person_id, m.channel, m.address, m.campaign_id, coalesce(m.sent_from, i.sent_from, s.address) as sender,
    to_jsonb(subject) as subject, false as transactional, menu_of(st.content, m.variables) as menu, st.content::text as content,
    st.constants::text as constants, m.variables, coalesce(m.sent_at, m.wire_at, i.wire_at) as sent_at,
    exists (
      select from subject_status answered
      where answered.subject_kind = c.subject_kind and answered.subject_id = c.subject_id and answered.person_id = m.person_id
    ) as answered
  from messages_to('sms', $1) m
  join sender s using (sender_id)
  left join in_flight i on i.message_id = m.message_id
  join step st using (step_id)
  join campaign c on c.campaign_id = m.campaign_id
  join subject using (subject_kind, subject_id)
  where exists (select from subject other where other.letter <> '' and other.closes_at > $3)
    and coalesce(m.sent_from, i.sent_from, s.address) = any ($2::text[])
    and least(m.sent_at, m.wire_at, i.wire_at) <= $3::timestamptz + interval '5 seconds'
    and subject.goal_id is not null and subject.closes_at > $3
  order by c.subject_kind, c.subject_id, coalesce(m.sent_at, m.wire_at, i.wire_at) desc, m.message_id desc
) asks
order by sent_at desc, message_id desc;
