-- name: find_last_changes
-- The last position of each ballot's feed: one index entry for each.
select b.ballot_id, last.seq
from unnest($1::bigint[]) as b (ballot_id)
cross join lateral (
  select t.seq from turnout_change t where t.ballot_id = b.ballot_id order by t.seq desc limit 1
) as last;
