-- migrate:up

-- Progress: counts by state without touching the table, also for staff who see a region, whose policy asks for the person. The
-- exclusive lock is taken last, when the index is there.
-- squawk-ignore require-concurrent-index-creation
create index message_progress_of_people on message (step_id, state, reason) include (segments, sent_at, person_id)
  where step_id is not null;
-- squawk-ignore require-concurrent-index-deletion
drop index message_progress;
-- squawk-ignore renaming-object
alter index message_progress_of_people rename to message_progress;

-- migrate:down
