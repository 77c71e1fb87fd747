-- name: list_steps
-- Steps with emails whose links were made with a secret that is not in the list; and whether their campaigns were over so long ago
-- that of all links only those to unsubscribe still worked.
select s.step_id, coalesce(over_at(subject.closes_at, c.finished_at) <= $2, false) as is_over
from step s
join campaign c using (campaign_id)
join subject using (subject_kind, subject_id)
where 'email' = any (s.channels) and s.secret <> all ($1::text[]);

-- name: count_emails
-- Emails of these steps that left, by campaign, also in the archive: an email that is there opens the page to unsubscribe still. Those
-- with a row are found by it, whatever the secret: they were sent by a version before. Emails that left after the secret was
-- removed are counted, too; they were made with the one that came after.
select
  c.name, sum(sent.emails) filter (where not given.is_over)::bigint as emails,
  sum(sent.emails) filter (where given.is_over)::bigint as only_unsubscribe
from unnest($1::bigint[], $2::boolean[]) as given (step_id, is_over)
join step s using (step_id)
join campaign c using (campaign_id)
cross join lateral (
  select count(*) as emails
  from (
    select m.message_id from message m where m.step_id = s.step_id and m.channel = 'email' and m.sent_at is not null
    union all
    select m.message_id from message_archive m
    where m.step_id = s.step_id and m.channel = 'email' and m.sent_at is not null
  ) as m
  where not exists (select from link l where l.message_id = m.message_id and l.revoked_at is null)
) sent
where sent.emails > 0
group by c.campaign_id, c.name
order by c.campaign_id;
