-- name: keep
-- Stores the row to be processed and the mail itself, in one commit, once: a server that missed our answer offers the
-- mail again, perhaps much later. A token that is accepted once, with a mail or an event, leaves a row that is done
-- among the provider's events, in the same commit.
with token as (
  insert into inbound_log (source, dedupe_key, subject, payload, received_at, state, processed_at)
  select $7::text, $8::text, $7::text, '{}', $5, 'done', $5
  where $8 is not null
  on conflict (source, dedupe_key) do nothing
  returning inbound_id
), fresh as (
  insert into inbound_log (source, dedupe_key, subject, payload, received_at, next_try_at)
  select $1, $2, $3, $4, $5, $5
  where ($8 is null or exists (select from token))
    and not exists (select from inbound_digest d where d.digest = inbound_digest_of($1, $2))
  on conflict (source, dedupe_key) do nothing
  returning inbound_id
)
insert into inbound_mail (inbound_id, raw)
select inbound_id, $6 from fresh
returning inbound_id;

-- name: raw
-- The mail of one row.
select raw from inbound_mail where inbound_id = $1;

-- name: drop_raw
-- For a reply with attachments: its text is kept, the attachments are not.
delete from inbound_mail where inbound_id = $1;

-- name: keep_for_staff
-- For a reply without readable words: staff have to look into the mail itself, and it stays until they close the reply.
insert into unread_mail (inbound_id) select inbound_id from inbound_mail where inbound_id = $1 on conflict do nothing;

-- name: of_reply
-- The mail that became a reply, as far as it is kept.
select m.raw from reply r join inbound_mail m using (inbound_id) where r.reply_id = $1;

-- name: record_look
-- Records who took a mail out as it came.
insert into audit (actor, action, subject, detail, at) values ($1, 'reply_mail', $2, '{}', $3);
