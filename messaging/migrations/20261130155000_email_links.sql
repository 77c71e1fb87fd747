-- migrate:up

-- A link in an email says in its token which message and action it is for, and has no row here: rows are of texts, of emails
-- that were sent before, and of emails' links that are revoked. These are found by message and action, whatever secret the
-- token was made with. Nearly no link is revoked, so that the index stays empty, and to build it reads the table once.
-- squawk-ignore require-concurrent-index-creation
create index link_revoked on link (message_id, action) where revoked_at is not null;

-- migrate:down

-- squawk-ignore require-concurrent-index-deletion
drop index link_revoked;
