-- migrate:up

-- How a sender has fared lately, with what came back as bounces too: a server that takes a mail and then refuses its sender
-- says so in a report. Writes wait while it is built, half a minute for ten million messages; nothing is sent while
-- `muster migrate` runs.
-- squawk-ignore require-concurrent-index-creation
create index message_refused_or_returned on message (sender_id, changed_at)
  where state in ('failed', 'undelivered', 'bounced');
-- squawk-ignore require-concurrent-index-deletion
drop index message_refused;

-- migrate:down
