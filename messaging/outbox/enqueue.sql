-- name: begin_step
-- Moves a step from planned to launching, and returns its state before; a step that was interrupted is launching already.
with before as (
  select step_id, state from step where step_id = $1 and state in ('planned', 'launching') for update
)
update step s set state = 'launching' from before where s.step_id = before.step_id returning before.state;

-- name: begin_page
-- Lets a page commit without waiting for the disk: rows and cursor commit together, and the commit of `end_step` is
-- synchronous and flushes all before it.
select set_config('synchronous_commit', 'off', true);

-- name: advance
-- Moves the cursor, while the step is still being launched: every person_id up to it has a row.
update step set launch_cursor = $2 where step_id = $1 and state = 'launching' returning step_id;

-- name: analyze
-- Renews the statistics of the outbox and its queue, which have just grown by a whole audience: with the old ones the
-- planner may choose quadratic plans.
select refresh_statistics('message', 'queue');

-- name: end_step
-- Ends the launch: the step's messages may be sent.
update step set state = 'running', launched_at = $2 where step_id = $1 and state = 'launching' returning step_id;

-- name: set_constants
-- Sets the constants of a step when it starts, before it has any messages.
update step set constants = $2 where step_id = $1 and state = 'launching' and launch_cursor = 0;
