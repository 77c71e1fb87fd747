-- name: find_raw_mail
-- The mail of one row of the inbound log.
select raw from inbound_mail where inbound_id = $1;

-- name: delete_raw_mail
-- Deletes the mail of a reply with attachments: its text is kept, the attachments are not.
delete from inbound_mail where inbound_id = $1;

-- name: keep_raw_mail
-- Keeps the mail of a reply without readable words until staff have looked into it and closed the reply.
insert into unread_mail (inbound_id) select inbound_id from inbound_mail where inbound_id = $1 on conflict do nothing;

-- name: find_reply_mail
-- The mail that became a reply, as far as it is kept.
select m.raw from reply r join inbound_mail m using (inbound_id) where r.reply_id = $1;
