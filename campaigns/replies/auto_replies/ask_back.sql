-- name: find_earlier_ask
-- Whether they were asked back about it before, what they have answered, and in which language to ask.
select
  exists (
    select from reply r
    join message_any m on m.message_id = r.message_id
    join campaign c on c.campaign_id = m.campaign_id
    where r.channel = $1 and r.address = $2 and r.asked_back_at is not null
      and c.subject_kind = $3 and c.subject_id = $4
  ) as asked_before,
  (select s.status from subject_status s where s.subject_kind = $3 and s.subject_id = $4 and s.person_id = $5) as answered,
  p.language
from person p
where p.person_id = $5;
