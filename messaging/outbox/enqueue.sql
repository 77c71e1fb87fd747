-- name: begin_step
-- From planned to launching; a step that was interrupted is launching already.
update step set state = 'launching' where step_id = $1 and state in ('planned', 'launching') returning step_id;

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

-- name: set_constants
-- Decided when the step starts, before anything of it is written.
update step set constants = $2 where step_id = $1 and state = 'launching' and launch_cursor = 0;
