-- migrate:up

-- Alone and first, so that it is committed before the outbox changes: workers of the version before learn it with their next
-- heartbeat, claim nothing more, record what is on the wire and hand back the rest (messaging/outbox/heartbeat.py).
create or replace function outbox_version() returns integer language sql stable as $$ select 2 $$;

-- migrate:down
