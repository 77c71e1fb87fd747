-- name: list_waiting_steps
-- The steps still to be launched, in order, each with the time when the step before it was launched, if it was.
select
  s.step_id, s.campaign_id, s.position, s.template, s.channels, s.purpose, s.goal_id, s.content, s.constants,
  s.due_at, s.after, s.dated, s.launched_at, s.launch_cursor, s.quiet_from, s.quiet_until, s.quiet_channels, s.send_before, s.frequency_caps,
  s.secret, c.audience, c.spec, to_jsonb(subject) as subject, before.launched_at as after_launch, sms.address as sms_from
from step s
join campaign c using (campaign_id)
join subject using (subject_kind, subject_id)
left join step before on before.campaign_id = s.campaign_id and before.position = s.position - 1
left join sender sms on sms.sender_id = s.sms_sender_id
where s.campaign_id = $1 and s.state in ('planned', 'launching')
order by s.position;

-- name: find_opening
-- When a step starts ($4: now, whatever its own time), and when, in the subject's time zone, its first message may be
-- sent by each of its channels.
select
  starts.at as starts_at,
  c.channel,
  sending_opens(
    starts.at, subject.time_zone,
    case when s.quiet_channels is null or c.channel = any (s.quiet_channels) then s.quiet_from end,
    case when s.quiet_channels is null or c.channel = any (s.quiet_channels) then s.quiet_until end,
    s.send_after, s.window_zone, s.window_days, s.window_from, s.window_until
  ) as opens_at
from step s
join campaign using (campaign_id)
join subject using (subject_kind, subject_id)
cross join lateral unnest(s.channels) as c (channel)
cross join lateral (
  select greatest(
    $3::timestamptz, case when not $4 then s.due_at end,
    case when not $4 then starts_after($2::timestamptz, s.after, subject.time_zone) end
  ) as at
) as starts
where s.step_id = $1;
