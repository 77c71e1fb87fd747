-- name: create_goal
insert into goal (name) values ($1) returning goal_id;

-- name: meet
-- Marks the goal met and withdraws what is queued for it, as one statement: no moment in between where a nudge could
-- be claimed unseen. What is claimed but not yet on the wire is stopped by the gate's last look.
with met as (
  insert into goal_met (goal_id, person_id) values ($1, $2) on conflict do nothing
), withdrawn as (
  update message m
  set state = 'cancelled', reason = $3, changed_at = now()
  from step s
  where m.person_id = $2 and m.state = 'queued' and s.step_id = m.step_id and s.goal_id = $1
  returning m.message_id
), told as (
  insert into message_event (message_id, state, source, code)
  select message_id, 'cancelled', $4, $3 from withdrawn
)
select count(*) from withdrawn;

-- name: reopen
-- The answer was taken back: they may be asked again. Messages withdrawn for it stay withdrawn; later steps ask anew.
delete from goal_met where goal_id = $1 and person_id = $2 returning person_id;


-- name: meet_many
-- The same for many people at once, who were all said to have answered by one list.
with met as (
  insert into goal_met (goal_id, person_id) select $1, unnest($2::bigint[]) on conflict do nothing
), withdrawn as (
  update message m
  set state = 'cancelled', reason = $3, changed_at = now()
  from step s
  where m.person_id = any ($2) and m.state = 'queued' and s.step_id = m.step_id and s.goal_id = $1
  returning m.message_id
), told as (
  insert into message_event (message_id, state, source, code)
  select message_id, 'cancelled', $4, $3 from withdrawn
)
select count(*) from withdrawn;

-- name: reopen_many
delete from goal_met where goal_id = $1 and person_id = any ($2::bigint[])
