-- name: begin_step
-- From planned to launching; a step that was interrupted is launching already.
update step set state = 'launching' where step_id = $1 and state in ('planned', 'launching') returning step_id;

-- name: begin_page
-- Rows and cursor commit together, and the commit of `end_step` is synchronous and flushes all before it: a page need
-- not wait for the disk.
select set_config('synchronous_commit', 'off', true);

-- name: advance
-- Move the cursor: every person_id up to here has a row. Only while the step is still being launched.
update step set launch_cursor = $2 where step_id = $1 and state = 'launching' returning step_id;

-- name: analyze
-- The outbox has just grown by a whole audience: with the old statistics the planner may choose quadratic plans.
analyze message;

-- name: end_step
-- Now it may be sent.
update step set state = 'running', launched_at = $2 where step_id = $1 and state = 'launching' returning step_id;

-- name: set_constants
-- Set once when the step starts, before it has any messages.
update step set constants = $2 where step_id = $1 and state = 'launching' and launch_cursor = 0;
