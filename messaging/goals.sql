-- name: create_goal
-- Adds a goal.
insert into goal (name) values ($1) returning goal_id;

-- name: meet_goal
-- Records that the goal is met and withdraws the queued messages for it, in one statement, so that no message can be
-- claimed in between. Messages claimed but not yet on the wire are stopped by the last eligibility check.
with met as (
  insert into goal_met (goal_id, person_id) values ($1, $2) on conflict do nothing
), dequeued as (
  delete from queue q
  using step s
  join message m on m.step_id = s.step_id and m.person_id = $2
  where s.goal_id = $1 and q.message_id = m.message_id
  returning q.message_id, q.attempt
), withdrawn as (
  update message m
  set state = 'cancelled', reason = $3, attempt = dequeued.attempt, changed_at = now()
  from dequeued
  where m.message_id = dequeued.message_id and m.state = 'queued'
  returning m.message_id
), new_events as (
  insert into message_event (message_id, state, source, code)
  select message_id, 'cancelled', $4, $3 from withdrawn
)
select count(*) from withdrawn;

-- name: reopen_goal
-- Records that the goal is open again, because the answer was taken back. Withdrawn messages stay withdrawn; later
-- steps ask again.
delete from goal_met where goal_id = $1 and person_id = $2 returning person_id;


-- name: meet_goal_of_many
-- The same for many people at once, whose answers came in one list.
with met as (
  insert into goal_met (goal_id, person_id) select $1, unnest($2::bigint[]) on conflict do nothing
), dequeued as (
  delete from queue q
  using step s
  join message m on m.step_id = s.step_id and m.person_id = any ($2)
  where s.goal_id = $1 and q.message_id = m.message_id
  returning q.message_id, q.attempt
), withdrawn as (
  update message m
  set state = 'cancelled', reason = $3, attempt = dequeued.attempt, changed_at = now()
  from dequeued
  where m.message_id = dequeued.message_id and m.state = 'queued'
  returning m.message_id
), new_events as (
  insert into message_event (message_id, state, source, code)
  select message_id, 'cancelled', $4, $3 from withdrawn
)
select count(*) from withdrawn;

-- name: reopen_goal_of_many
-- The same for many people at once.
delete from goal_met where goal_id = $1 and person_id = any ($2::bigint[]);
