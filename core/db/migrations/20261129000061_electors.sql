-- migrate:up

-- Who votes, beside the units: attributes that electors must have, as a campaign's audience says it.
alter table ballot add column attributes jsonb not null default '{}';

-- migrate:down
