-- name: launching_step
-- What a launch needs of its step.
select
  s.step_id, s.campaign_id, s.position, s.state, s.channels, s.purpose, s.goal_id, s.content, s.constants,
  s.sms_sender_id, s.email_sender_id, s.launch_cursor, s.launched_at,
  s.send_after, c.name as campaign, c.state as campaign_state, c.ballot_id, c.audience, c.spec,
  b.last_posting_at, b.replacement_by
from step s
join campaign c using (campaign_id)
join ballot b using (ballot_id)
where s.step_id = $1;

-- name: campaign_of
-- Whose step it is, by name.
select c.name from step s join campaign c using (campaign_id) where s.step_id = $1;

-- name: begin_step
-- From planned to launching; a step that was interrupted is launching already. Only while its campaign runs: the share
-- lock makes a pause wait for us, and then find the step launching, or us find the campaign paused.
with running as (
  select campaign_id from campaign
  where campaign_id = (select campaign_id from step where step_id = $1) and state = 'running'
  for share
)
update step s set state = 'launching'
from running r
where s.step_id = $1 and s.campaign_id = r.campaign_id and s.state in ('planned', 'launching')
returning s.step_id;

-- name: tell_dates
-- Which of the ballot's dates are past is decided when the step starts, before anything of it is written.
update step set constants = $2 where step_id = $1 and state = 'launching' and launch_cursor = 0;

-- name: fill
-- A page of the outbox: a row for everybody in the audience, whatever became of them, with the variables the template
-- uses ($10, and $12 of them are attributes) as they are now, and the first event of each. Whoever has gone since the page
-- was decided gets none. Filling a page again adds nothing. A variable that nobody uses is null here, and stripped:
-- building and taking out all of them took longer than everything else that is done for a row.
with decided as (
  select *
  from unnest($3::bigint[], $4::text[], $5::text[], $6::message_state[], $7::text[])
    as d (person_id, channel, address, state, reason)
), placed as (
  insert into message (
    step_id, campaign_id, person_id, channel, address, sender_id, variables, time_zone, state, reason,
    not_before, created_at, changed_at
  )
  select
    $1, $2, d.person_id, d.channel, d.address, case d.channel when 'sms' then $8::bigint when 'email' then $9::bigint end,
    case when d.state <> 'queued' then '{}' else own.variables || jsonb_strip_nulls(
      jsonb_build_object(
        'first_name', case when 'first_name' = any ($10::text[]) then f.first_name end,
        'last_name', case when 'last_name' = any ($10) then f.last_name end,
        'full_name', case when 'full_name' = any ($10) then f.full_name end,
        'member_id', case when 'member_id' = any ($10) then f.member_id end,
        'language', case when 'language' = any ($10) then f.language end,
        'unit', case when 'unit' = any ($10) then f.unit end,
        'branch', case when 'branch' = any ($10) then f.branch end,
        'workplace', case when 'workplace' = any ($10) then f.workplace end,
        'region', case when 'region' = any ($10) then f.region end
      )
    ) end,
    f.time_zone, d.state, d.reason, $11, $11, $11
  from decided d
  join person_facts f on f.person_id = d.person_id and f.struck_off_at is null
  cross join lateral (
    select case when cardinality($12::text[]) = 0 then '{}' else (
      select jsonb_object_agg(name, coalesce(f.attributes ->> name, '')) from unnest($12) as used (name)
    ) end as variables
  ) as own
  order by d.person_id
  on conflict (step_id, person_id) do nothing
  returning message_id, state, reason
), told as (
  insert into message_event (message_id, at, state, source, code)
  select message_id, $11, state, 'launch', reason from placed
)
select count(*) from placed;

-- name: begin_page
-- Rows and cursor are lost or kept together, and the end of the step is written through with all before it: a page need
-- not wait for the disk.
select set_config('synchronous_commit', 'off', true);

-- name: advance
-- Every person_id up to here has a row; only while the step is still being launched.
update step set launch_cursor = $2 where step_id = $1 and state = 'launching' returning step_id;

-- name: analyze
-- The outbox has just grown by a whole audience: until its statistics say so, the planner may choose quadratic plans.
analyze message;

-- name: end_step
-- Now it may be sent.
update step set state = 'running', launched_at = $2 where step_id = $1 and state = 'launching' returning step_id;

-- name: due_steps
-- Steps of running campaigns whose time has come, and those whose launch was interrupted.
select s.step_id
from step s
join campaign c using (campaign_id)
join ballot b using (ballot_id)
left join step before on before.campaign_id = s.campaign_id and before.position = s.position - 1
where c.state = 'running' and ($2::bigint is null or c.campaign_id = $2)
  and (
    s.state = 'launching'
    or s.state = 'planned' and coalesce(s.due_at <= $1, true) and coalesce(starts_after(before.launched_at, s.after, b.time_zone) <= $1, s.after is null)
  )
order by s.campaign_id, s.position;

-- name: step_at
-- By the number people use.
select s.step_id, s.state, c.name, c.state as campaign_state
from campaign c left join step s on s.campaign_id = c.campaign_id and s.position = $2
where c.campaign_id = $1;

-- name: start_campaign
-- From draft to running, once: of two launches at once only one does it.
update campaign set state = 'running', launched_at = $2
where campaign_id = $1 and state = 'draft'
returning name;

-- name: finish_campaigns
-- A campaign is over when each of its steps is. The audit says so too: who follows it would else have to compare states.
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

-- name: launched_counts
-- What a launch came to.
select coalesce(channel, '') as channel, coalesce(reason, '') as reason, count(*) as n
from message where step_id = $1 group by 1, 2;

-- name: audit
-- Who did what.
insert into audit (actor, action, subject, detail) values ($1, $2, $3, $4)
