-- name: find_launching_step
-- The step to launch, with its campaign and what that asks about.
select
  s.step_id, s.campaign_id, s.position, s.state, s.channels, s.purpose, s.goal_id, s.content, s.constants,
  s.sms_sender_id, s.email_sender_id, s.launch_cursor, s.launched_at,
  s.send_after, s.dated, c.name as campaign, c.state as campaign_state, c.audience, c.spec, to_jsonb(subject) as subject
from step s
join campaign c using (campaign_id)
join subject using (subject_kind, subject_id)
where s.step_id = $1;

-- name: find_campaign
-- The name of a step's campaign.
select c.name from step s join campaign c using (campaign_id) where s.step_id = $1;

-- name: lock_running
-- Locks the running campaign of a step. The share lock makes a concurrent pause wait, and then find the step launching;
-- or this statement finds the campaign paused.
select campaign_id from campaign
where campaign_id = (select campaign_id from step where step_id = $1) and state = 'running'
for share;

-- name: list_recipients
-- A page of a step, for the outbox: everybody in the audience, whatever was decided for them, with the variables the
-- template uses as they are now ($6 personal ones, $7 attributes; $8: letters behind digits, if any). People who have left since the page was decided are
-- left out. Unused variables are null here, and stripped: building all of them and removing the unused took longer than
-- everything else done for a row.
select
  d.person_id, d.channel, d.address,
  case when d.state <> 'queued' then '{}' else own.variables || jsonb_strip_nulls(
    jsonb_build_object(
      'first_name', case when 'first_name' = any ($6::text[]) then f.first_name end,
      'last_name', case when 'last_name' = any ($6) then f.last_name end,
      'full_name', case when 'full_name' = any ($6) then f.full_name end,
      'member_id', case when 'member_id' = any ($6) then f.member_id end,
      'language', case when 'language' = any ($6) then f.language end,
      'time_zone', case when 'time_zone' = any ($6) then f.time_zone end,
      'unit', case when 'unit' = any ($6) then f.unit end,
      'branch', case when 'branch' = any ($6) then f.branch end,
      'workplace', case when 'workplace' = any ($6) then f.workplace end,
      'region', case when 'region' = any ($6) then f.region end,
      'letter', case when 'letter' = any ($6) then coalesce(d.letter, '') end
    )
  ) end as variables,
  f.time_zone, d.state, d.reason
from unnest($1::bigint[], $2::text[], $3::text[], $4::message_state[], $5::text[], $8::text[])
  as d (person_id, channel, address, state, reason, letter)
join person_facts f on f.person_id = d.person_id and f.struck_off_at is null
cross join lateral (
  select case when cardinality($7::text[]) = 0 then '{}' else (
    select jsonb_object_agg(name, coalesce(f.attributes ->> name, '')) from unnest($7) as used (name)
  ) end as variables
) as own;

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
-- Moves a campaign from draft to running, once: of two launches at once only one succeeds.
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
), noted as (
  insert into audit (actor, action, subject) select 'muster', 'finish', 'campaign ' || name from over
)
select campaign_id, name from over;

-- name: count_launched
-- The result of a launch, by channel and reason.
select coalesce(channel, '') as channel, coalesce(reason, '') as reason, count(*) as n
from message where step_id = $1 group by 1, 2;

-- name: record_audit
-- Records who launched a campaign or a step.
insert into audit (actor, action, subject, detail) values ($1, $2, $3, $4)
