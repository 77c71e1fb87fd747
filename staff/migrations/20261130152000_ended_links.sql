-- migrate:up

-- Links that ended lately are recognised, too, where somebody quotes them: the index holds the used ones as well. The table is
-- small (a month's links), so that building the index blocks nobody.
-- squawk-ignore require-concurrent-index-creation
create index sign_in_expires on sign_in (expires_at);
-- squawk-ignore require-concurrent-index-deletion
drop index sign_in_unused;

-- migrate:down

-- squawk-ignore require-concurrent-index-creation
create index sign_in_unused on sign_in (expires_at) where used_at is null;
-- squawk-ignore require-concurrent-index-deletion
drop index sign_in_expires;
