-- name: waiting_steps
-- The steps a launch would still have to do, in order; and when, by the ballot's clock, the first message of each may go.
select
  s.step_id, s.campaign_id, s.position, s.template, s.channels, s.purpose, s.goal_id, s.content, s.constants,
  s.due_at, s.after, s.launch_cursor, c.ballot_id, c.audience, c.spec, s.send_before, s.frequency_caps, b.time_zone,
  greatest($2::timestamptz, s.due_at) as starts_at,
  sending_opens(
    greatest($2, s.due_at), b.time_zone, s.quiet_from, s.quiet_until, s.send_after, s.window_zone, s.window_days,
    s.window_from, s.window_until
  ) as opens_at
from step s
join campaign c using (campaign_id)
join ballot b using (ballot_id)
where s.campaign_id = $1 and s.state in ('planned', 'launching')
order by s.position;

-- name: variables
-- Of the people a plan renders for.
select person_id, variables from template_variables where person_id = any ($1::bigint[])

-- name: capped
-- Who of the people a step would write to has had enough by then: how many would wait, how many would get nothing.
select count(*) filter (where frees < $5 or $5 is null) as wait, count(*) filter (where frees >= $5) as too_late
from (
  select cap_frees_at(person_id, $2, $3, $4, null) as frees from unnest($1::bigint[]) as one (person_id)
) as judged
where frees is not null
