-- name: find_due_exports
-- Ballots that existed at a time, had not closed more than a day before it, and whose export for it has not been made.
-- A failed export is tried again when its pause is over.
select b.ballot_id, b.name
from ballot b
left join turnout_export x on x.ballot_id = b.ballot_id and x.slot = $1
where b.created_at <= $1::timestamptz and b.closes_at > $1 - interval '1 day'
  and x.done_at is null and coalesce(x.next_try_at <= $2, true)
order by b.ballot_id;

-- name: is_still_due
-- Checks again once the lock is held: another worker may just have made the export.
select not exists (
  select from turnout_export x where x.ballot_id = $1 and x.slot = $2 and (x.done_at is not null or x.next_try_at > $3)
);

-- name: record_export
-- Records an export that was made.
insert into turnout_export (ballot_id, slot, tries, next_try_at, place, members, done_at)
values ($1, $2, 1, $5, $3, $4, $5)
on conflict (ballot_id, slot) do update
set tries = turnout_export.tries + 1, place = excluded.place, members = excluded.members, done_at = excluded.done_at,
  problem = null;

-- name: record_failure
-- Records an export that failed. It is tried again after a minute, two, four … half an hour, until the next time has
-- come.
insert into turnout_export (ballot_id, slot, tries, next_try_at, problem)
values ($1, $2, 1, $4::timestamptz + interval '1 minute', $3)
on conflict (ballot_id, slot) do update
set tries = turnout_export.tries + 1, problem = excluded.problem,
  next_try_at = $4 + least(interval '30 minutes', interval '1 minute' * 2 ^ turnout_export.tries)
returning tries;
