-- migrate:up

-- When it is to be counted next who can be reached and who has been: by one worker, however many there are.
alter table ballot add column reach_due_at timestamptz not null default '-infinity';

-- migrate:down
