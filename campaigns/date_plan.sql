-- name: count_in_vain
-- How many messages, due at given times, could be sent only after their date or the end of the step.
select count(*)
from unnest($2::bigint[], $3::text[], $4::timestamptz[], $5::timestamptz[]) as m (person_id, channel, due_at, date_at)
join person p using (person_id)
join step s on s.step_id = $1
cross join lateral (
  select sending_opens(
    m.due_at, p.time_zone,
    case when s.quiet_channels is null or m.channel = any (s.quiet_channels) then s.quiet_from end,
    case when s.quiet_channels is null or m.channel = any (s.quiet_channels) then s.quiet_until end,
    s.send_after, s.window_zone, s.window_days, s.window_from, s.window_until
  ) as at
) as opens
where opens.at is null or opens.at >= message_deadline(s.send_before, s.dated, m.date_at);
