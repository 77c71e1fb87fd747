-- name: steps
select step_id, position, template, state, launched_at, now() as now
from step
where campaign_id = $1
order by position;

-- name: progress
-- One pass over one index, without touching the table: counts, what it cost, and how fast it goes. What has been archived
-- is a few rows of numbers, which never get more.
select step_id, state, reason, count(*) as n, coalesce(sum(segments), 0) as segments,
  count(*) filter (where sent_at > now() - $2::float8 * interval '1 second') as lately
from message
where step_id = any ($1::bigint[])
group by step_id, state, reason
union all
select step_id, state, reason, n, segments, 0 from step_total where step_id = any ($1::bigint[]);
