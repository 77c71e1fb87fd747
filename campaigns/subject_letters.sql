-- name: has_other_questions
-- Whether any other subject that takes answers has been asked about. Usually none has, and then no phone need be looked
-- up.
select exists (
  select from campaign c
  join subject using (subject_kind, subject_id)
  where (c.subject_kind, c.subject_id) <> ($1::text, $2::bigint) and c.launched_at is not null
    and subject.goal_id is not null and subject.closes_at > $3
);

-- name: list_waiting_phones
-- Phones with a message about another subject that still takes answers, and that its person has not answered yet.
with others as materialized (
  select st.step_id, subject.goal_id
  from campaign c
  join subject using (subject_kind, subject_id)
  join step st on st.campaign_id = c.campaign_id
  where (c.subject_kind, c.subject_id) <> ($2::text, $3::bigint) and subject.goal_id is not null and subject.closes_at > $4
)
select distinct m.address
from others o
join message m on m.step_id = o.step_id and m.channel = 'sms' and m.address = any ($1::text[])
where m.state not in ('cancelled', 'suppressed', 'expired', 'skipped', 'failed', 'undelivered')
  and not exists (select from goal_met met where met.goal_id = o.goal_id and met.person_id = m.person_id);
