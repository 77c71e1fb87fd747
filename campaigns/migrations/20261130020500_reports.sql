-- migrate:up

-- Messages for reports: how many of each step are in which state, and for which reason, archived ones too.
create view report_messages with (security_barrier) as
select
  c.name as campaign, c.title, s.position as step, s.template, m.channel, m.state::text as state, m.reason,
  sum(m.n)::bigint as n, sum(m.segments)::bigint as segments
from (
  select step_id, channel, state, reason, count(*) as n, coalesce(sum(segments), 0) as segments
  from message
  where step_id is not null
  group by step_id, channel, state, reason
  union all
  select step_id, channel, state, reason, n, segments from step_total where step_id is not null
) m
join step s using (step_id)
join campaign c using (campaign_id)
group by c.name, c.title, s.position, s.template, m.channel, m.state, m.reason;
grant select on report_messages to muster_reports;

-- migrate:down
