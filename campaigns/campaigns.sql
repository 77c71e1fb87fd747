-- name: create_campaign
-- Checks the name and inserts in one statement, so two files at once cannot both create the campaign.
insert into campaign (name, title, subject_kind, subject_id, audience, spec, created_by, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (name) do nothing
returning campaign_id;

-- name: lock_campaign
-- Locks a campaign, so that nobody launches it while it is replaced.
select campaign_id, state, subject_kind, subject_id from campaign where name = $1 for update;

-- name: delete_dates
-- Stops following dates for a draft's steps.
with steps as (select step_id from step where campaign_id = $1), noted as (
  delete from date_change where step_id in (select step_id from steps)
)
delete from dated_step where step_id in (select step_id from steps);

-- name: delete_campaign
-- Removes a draft.
delete from campaign where campaign_id = $1 and state = 'draft';

-- name: follow_dates
-- Lists an attribute as followed: from now on, a trigger records for the step each person whose value is added, changed
-- or removed.
insert into dated_step (step_id, attribute) values ($1, $2);

-- name: find_campaign
-- One campaign, by its name.
select
  c.campaign_id, c.name, c.title, to_jsonb(subject) as subject, c.state, c.audience, c.spec, c.paused_reason,
  c.created_by, c.created_at, c.launched_at, c.finished_at
from campaign c
join subject using (subject_kind, subject_id)
where c.name = $1;

-- name: count_opt_outs
-- How many people opted out in answer to a campaign's messages since it was launched.
select count(distinct m.person_id)
from suppression_event e
join message_recipient m using (message_id)
where e.action = 'suppress' and e.reason = 'opted_out' and e.message_id is not null and e.at >= $2 and m.campaign_id = $1;

-- name: find_name
-- The name of a campaign.
select name from campaign where campaign_id = $1;

-- name: list_names
-- Names of campaigns, the newest first.
select name from campaign order by campaign_id desc;

-- name: change_state
-- Changes the state only from one of the given states: if two people do it at once, one gets an error with the new
-- state.
update campaign set state = $3, paused_reason = $4, finished_at = case when $3 = 'cancelled' then now() end
where campaign_id = $1 and state = any ($2::text[])
returning campaign_id;

-- name: reopen_campaign
-- Reopens finished campaigns that have messages to send again (a sender works again, a text is retried): they run, and
-- can be paused and cancelled, like any other.
with again as (
  update campaign c set state = 'running', finished_at = null
  where c.state = 'finished' and ($1::text is null or c.name = $1)
    and exists (select from step s where s.campaign_id = c.campaign_id and s.state in ('running', 'paused'))
  returning c.name
)
select record_audit($2, 'campaign.reopened', 'campaign ' || name) from again;
