-- migrate:up

-- A session's token changes every hour. All the tokens that followed from one sign-in are a family: it began once, ends
-- together, and of each token there is one successor.
-- A handful of rows: they are rewritten, and both indexes built, before anybody notices.
alter table staff_session
  -- squawk-ignore adding-field-with-default
  add column family uuid not null default gen_random_uuid(),
  add column began_at timestamptz not null default now(),
  add column retired_at timestamptz;

update staff_session set began_at = created_at;

-- squawk-ignore require-concurrent-index-creation
create index staff_session_family on staff_session (family);
-- squawk-ignore require-concurrent-index-creation
create index staff_session_staff on staff_session (staff_id);

-- migrate:down
