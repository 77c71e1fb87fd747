-- name: lock_running
-- Locks the running campaign of a step. The share lock makes a concurrent pause wait, and then find the step launching;
-- or this statement finds the campaign paused.
select campaign_id from campaign
where campaign_id = (select campaign_id from step where step_id = $1) and state = 'running'
for share;

-- name: list_due_steps
-- Steps of running campaigns whose time has come, and those whose launch was interrupted.
select s.step_id
from step s
join campaign c using (campaign_id)
join subject using (subject_kind, subject_id)
left join step before on before.campaign_id = s.campaign_id and before.position = s.position - 1
where c.state = 'running' and ($2::bigint is null or c.campaign_id = $2)
  and (
    s.state = 'launching'
    or s.state = 'planned' and coalesce(s.due_at <= $1, true) and coalesce(starts_after(before.launched_at, s.after, subject.time_zone) <= $1, s.after is null)
  )
order by s.campaign_id, s.position;

-- name: find_step
-- A step by its number in the campaign.
select s.step_id, s.state, c.name, c.state as campaign_state
from campaign c left join step s on s.campaign_id = c.campaign_id and s.position = $2
where c.campaign_id = $1;

-- name: start_campaign
-- Moves a campaign from draft to running, once: if two launches try at once, only one succeeds.
update campaign set state = 'running', launched_at = $2
where campaign_id = $1 and state = 'draft'
returning name;

-- name: finish_campaigns
-- Finishes campaigns whose steps have all ended. The audit records it, so that its readers need not compare states.
with over as (
  update campaign c set state = 'finished', finished_at = $1
  where c.state = 'running'
    and not exists (
      select from step s where s.campaign_id = c.campaign_id and s.state not in ('finished', 'cancelled')
    )
  returning c.campaign_id, c.name
)
select campaign_id, name, record_audit($2, 'campaign.finished', 'campaign ' || name) from over;

-- name: count_launched
-- The result of a launch, by channel and reason.
select coalesce(channel, '') as channel, coalesce(reason, '') as reason, count(*) as n
from message where step_id = $1 group by 1, 2;
