-- migrate:up

-- Texts are held back at night unless a campaign says otherwise; emails wake nobody. Null: quiet hours are for every
-- channel of the step, as in all campaigns made before.
alter table step add column quiet_channels text[];

-- When a step starts that follows another: days keep the hour of the ballot's clock, also where that is put forward or
-- back in between; hours and minutes are as long as they say.
create function starts_after(launched timestamptz, pause interval, zone text)
returns timestamptz language sql immutable parallel safe as $$
  select ((launched at time zone zone + date_trunc('day', pause)) at time zone zone) + (pause - date_trunc('day', pause))
$$;

-- migrate:down
