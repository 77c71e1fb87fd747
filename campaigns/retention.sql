-- name: list_due
-- Campaigns that are over with all their steps, whose subject closed before a time, and that still have messages in the
-- outbox; messages that are queued or have no outcome yet do not count. For a subject that never closes, the end of the
-- campaign counts. The oldest come first.
select c.campaign_id, c.name, to_jsonb(subject) as subject, over_at(subject.closes_at, c.finished_at) as over_at
from campaign c
join subject using (subject_kind, subject_id)
where c.state in ('finished', 'cancelled') and over_at(subject.closes_at, c.finished_at) < $1 and ($2::text is null or c.name = $2)
  and not exists (
    select from step s where s.campaign_id = c.campaign_id and s.state not in ('finished', 'cancelled')
  )
  and exists (
    select from step s
    where s.campaign_id = c.campaign_id
      and exists (
        select from message m where m.step_id = s.step_id and m.state not in ('queued', 'sending', 'ambiguous')
      )
  )
order by over_at(subject.closes_at, c.finished_at), c.campaign_id;

-- name: list_with_working_links
-- Campaigns whose members' links still work, or worked until a day ago.
select c.campaign_id
from campaign c
join subject using (subject_kind, subject_id)
where coalesce(over_at(subject.closes_at, c.finished_at) > $1, true);

-- name: find_state
-- Why a campaign is not due: its state, what it is about, and when that was over.
select c.state, to_jsonb(subject) as subject, over_at(subject.closes_at, c.finished_at) as over_at
from campaign c
join subject using (subject_kind, subject_id)
where c.name = $1;

-- name: count_waiting
-- How many messages would be archived.
select count(*)
from step s
join message m using (step_id)
where s.campaign_id = $1 and m.state not in ('queued', 'sending', 'ambiguous');

-- name: list_steps
-- The steps of a campaign that still have messages to archive.
select s.step_id
from step s
where s.campaign_id = $1
  and exists (
    select from message m where m.step_id = s.step_id and m.state not in ('queued', 'sending', 'ambiguous')
  )
order by s.position;

-- name: count_year
-- The archived messages of a year, by campaign; the transactional ones last.
select coalesce(c.name, 'transactional messages') as name, count(*) as messages
from message_archive m
left join campaign c using (campaign_id)
where m.year = $1
group by c.campaign_id, c.name
order by c.campaign_id;

-- name: count_unarchived
-- Messages of steps launched in that year, and transactional messages of that year, that have not been archived, and so
-- would not be deleted.
select
  (select count(*) from step s join message m using (step_id) where archive_year(s) = $1)
  + (select count(*) from message m where m.step_id is null and archive_year(m.created_at) = $1);

-- name: delete_year
-- Drops two tables and records that in the audit log; the function, which belongs to the owner, checks that it is time.
select drop_archive_year($1, $2);
