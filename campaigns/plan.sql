-- name: waiting_steps
-- The steps a launch would still have to do, in order.
select
  s.step_id, s.campaign_id, s.position, s.template, s.channels, s.purpose, s.goal_id, s.content, s.constants,
  s.due_at, s.after, s.launch_cursor, c.ballot_id, c.audience, c.spec
from step s
join campaign c using (campaign_id)
where s.campaign_id = $1 and s.state in ('planned', 'launching')
order by s.position;

-- name: variables
-- Of the people a plan renders for.
select person_id, variables from template_variables where person_id = any ($1::bigint[])
