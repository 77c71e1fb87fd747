-- name: list_steps
-- Steps with emails whose links were made with a secret that is not in the list, of campaigns whose links still work.
select s.step_id
from step s
join campaign c using (campaign_id)
join subject using (subject_kind, subject_id)
where 'email' = any (s.channels) and s.secret <> all ($1::text[])
  and coalesce(over_at(subject.closes_at, c.finished_at) > $2, true);

-- name: count_emails
-- Emails of these steps that left, by campaign. Those with a row are found by it, whatever the secret: they were sent by a
-- version before. Emails that left after the secret was removed are counted, too; they were made with the one that came after.
select c.name, count(*) as emails
from step s
join campaign c using (campaign_id)
join message m using (step_id)
where s.step_id = any ($1::bigint[]) and m.channel = 'email' and m.sent_at is not null
  and not exists (select from link l where l.message_id = m.message_id and l.revoked_at is null)
group by c.campaign_id, c.name
order by c.campaign_id;
