-- name: list_campaigns
-- Running campaigns first, then the most recently launched. The list is limited: the console shows a few in full and
-- links to the rest.
select
  c.campaign_id, c.name, c.title, c.state, c.paused_reason, c.launched_at, c.finished_at, c.created_at,
  subject.subject_kind, subject.name as subject, subject.title as subject_title
from campaign c
join subject using (subject_kind, subject_id)
order by
  case c.state when 'paused' then 0 when 'running' then 0 when 'draft' then 1 else 2 end,
  coalesce(c.launched_at, c.created_at) desc
limit 60;

-- name: find_campaign
-- One campaign, by its name.
select
  c.campaign_id, c.name, c.title, c.state, c.paused_reason, c.launched_at, c.finished_at, c.created_at,
  subject.subject_kind, subject.name as subject, subject.title as subject_title
from campaign c
join subject using (subject_kind, subject_id)
where c.name = $1;

-- name: list_steps
-- Each step's channels and times; a stopped sender stops the step without changing its state.
select
  s.step_id, s.channels, s.due_at, s.after, s.send_before, s.launched_at, s.finished_at,
  coalesce(sms.paused_reason, mail.paused_reason) as sender_paused
from step s
left join sender sms on sms.sender_id = s.sms_sender_id and 'sms' = any (s.channels)
left join sender mail on mail.sender_id = s.email_sender_id and 'email' = any (s.channels)
where s.campaign_id = $1
order by s.position;

-- name: find_setup_state
-- Setup state: what a new installation has already.
select
  exists (select from person) as has_people,
  exists (select from ballot) as has_ballot,
  exists (select from campaign) as has_campaign;
