-- name: empty_secrets
-- Wipes the secrets of messages that are no longer to be sent; the index on remaining secrets is nearly always empty.
update transactional t
set concealed = null
from message m
where t.concealed is not null and m.message_id = t.message_id and m.state not in ('queued', 'sending', 'ambiguous')
  and ($1::bigint[] is null or t.message_id = any ($1));
