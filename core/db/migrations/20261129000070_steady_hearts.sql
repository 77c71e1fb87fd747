-- migrate:up

-- Since when a worker's heart has beaten without a break: only one that has done so for a whole lease may declare others
-- gone. Workers of the version before do not keep it, and judge as they did.
alter table courier add column steady_since timestamptz not null default now();

-- It was declared gone; it did not leave in order.
alter table courier add column lost boolean not null default false;

-- migrate:down
