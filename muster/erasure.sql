-- name: renew_statistics
-- Takes the planner's samples of every package's tables anew: they hold values of columns, an erased person's among them.
select forget_statistics();
