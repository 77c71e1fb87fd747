-- migrate:up

-- As in the first of these files: everybody waits behind this for `message`.
set local lock_timeout = '1s';

-- Everything has been moved, and nobody calls it any more.
-- squawk-ignore ban-drop-function
drop procedure move_outbox;

-- No column that changes is in an index or in the condition of one, so that the second write of a message stays on its page and
-- in no index (a heap-only update). Dropping takes its lock at the end, for a moment.
-- squawk-ignore require-concurrent-index-deletion
drop index
  message_due, message_transactional_due, message_transactional_failed, message_claimed, message_ambiguous, message_progress,
  message_provider, message_refused_or_returned, message_sent, message_dated;
alter table message set (fillfactor = 50);

-- migrate:down
