-- name: count_at_night
-- How many of some people would get a text at night where they are, if it is sent as soon as the step's hours allow.
select count(*)
from person p
join step s on s.step_id = $2
cross join lateral (
  select sending_opens(
    $3::timestamptz, p.time_zone,
    case when s.quiet_channels is null or 'sms' = any (s.quiet_channels) then s.quiet_from end,
    case when s.quiet_channels is null or 'sms' = any (s.quiet_channels) then s.quiet_until end,
    s.send_after, s.window_zone, s.window_days, s.window_from, s.window_until
  ) as at
) as goes
where p.person_id = any ($1::bigint[]) and goes.at is not null
  and not may_send_at(goes.at, p.time_zone, $4, $5, null, null, null, null);

-- name: count_capped
-- How many of the people a step would write to would wait for a frequency cap, and how many would get nothing.
select count(*) filter (where frees < $5 or $5 is null) as wait, count(*) filter (where frees >= $5) as too_late
from (
  select cap_frees_at(person_id, $2, $3, $4, null) as frees from unnest($1::bigint[]) as recipient (person_id)
) as judged
where frees is not null;

-- name: count_nameless
-- How many of some people have no first name.
select count(*) from person where person_id = any ($1::bigint[]) and first_name = '';
