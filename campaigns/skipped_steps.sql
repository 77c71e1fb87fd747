-- name: list_steps_without_message
-- The steps that have no row for a person, in campaigns that are not over or have written to them. Other
-- campaigns that are over are left out, because their rows may have been deleted.
with theirs as (
  select step_id, campaign_id from messages_of($1) where step_id is not null
  union all
  select step_id, campaign_id from message_archive where person_id = $1 and step_id is not null
)
select
  s.step_id, s.campaign_id, s.position, s.template, s.state, s.launched_at, c.name as campaign, c.state as campaign_state,
  to_jsonb(subject) as subject, p.left_at,
  s.dated is not null and s.state in ('running', 'paused') as follows,
  s.state in ('planned', 'launching') and c.state in ('draft', 'running', 'paused') as waits
from campaign c
join step s using (campaign_id)
join subject using (subject_kind, subject_id)
join person p on p.person_id = $1
where (c.state in ('draft', 'running', 'paused') or c.campaign_id in (select campaign_id from theirs))
  and s.step_id not in (select step_id from theirs)
order by c.created_at desc, s.position;
