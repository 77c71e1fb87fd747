-- migrate:up

-- The first moment from `at` on when a message may go: `at` itself where that is now. Each span of open time begins with
-- the end of a quiet time or the opening of a window. Where clocks skip that time it begins when they do: PostgreSQL takes
-- 01:30 of a night without an hour from 01:00 on for 02:30, so the quarters of an hour before are looked at as well, on one
-- of which every clock changes. A week repeats itself, so what a fortnight does not have never comes.
create or replace function sending_opens(
  at timestamptz, here text, quiet_from time, quiet_until time, starts timestamptz, zone text, days smallint[],
  opens time, closes time
) returns timestamptz language plpgsql immutable parallel safe as $$
declare
  earliest constant timestamptz := greatest(at, starts);
  ours constant text := coalesce(zone, here);
begin
  if may_send_at(earliest, here, quiet_from, quiet_until, zone, days, opens, closes) then
    return earliest;
  end if;
  return (
    select min(edge.moment)
    from generate_series(0, 14) as n
    cross join lateral (
      values
        (here, (earliest at time zone here)::date + n + quiet_until),
        (ours, (earliest at time zone ours)::date + n + coalesce(opens, '00:00'))
    ) as turn (clock, shown)
    cross join lateral (select turn.shown at time zone turn.clock as moment) as meant
    -- how far the clock is ahead of the time that was meant: more than nothing only in a skipped hour
    cross join lateral (select meant.moment at time zone turn.clock - turn.shown as skipped) as gap
    cross join lateral (
      select meant.moment
      union all
      select quarter
      from generate_series(date_trunc('hour', meant.moment - gap.skipped), meant.moment, interval '15 minutes') as quarter
      where gap.skipped > interval '0'
    ) as edge (moment)
    where edge.moment > earliest
      and may_send_at(edge.moment, here, quiet_from, quiet_until, zone, days, opens, closes)
  );
end
$$;

-- migrate:down
