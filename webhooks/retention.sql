-- name: note_digests
-- Stores digests of the items that the next statement deletes from the same page, for sources without a proof of date:
-- repetitions are recognised for longer than the item is kept. The row itself still blocks repetitions until its
-- digest has been committed.
insert into inbound_digest (digest, noted_at)
select inbound_digest_of(i.source, i.dedupe_key), $5
from (select inbound_id from inbound_log where inbound_id > $1 order by inbound_id limit $3) as page
join inbound_log i using (inbound_id)
where i.state = 'done' and i.received_at < $2 and i.processed_at < $2 and i.source = any ($4::text[])
  and not exists (select from unread_mail u where u.inbound_id = i.inbound_id)
on conflict (digest) do nothing;

-- name: delete_page
-- Goes through the table in the order of arrival, and deletes items that are done and old enough. It stops at the first
-- young rows, so it reads only rows that it deletes or that wait for a person, and needs no index of its own.
with page as materialized (
  select inbound_id, received_at from inbound_log where inbound_id > $1 order by inbound_id limit $3
), deleted_items as (
  delete from inbound_log i
  using page p
  where i.inbound_id = p.inbound_id and i.state = 'done' and i.received_at < $2 and i.processed_at < $2
    and not exists (select from unread_mail u where u.inbound_id = i.inbound_id)
  returning i.inbound_id
)
select
  (select max(inbound_id) from page) as last, (select count(*) from deleted_items) as deleted,
  (select count(*) < $3 or max(received_at) >= $2 from page) as reached;

-- name: delete_read_mails
-- Deletes mails whose words only staff could read, once they have closed the reply.
delete from inbound_mail m
using unread_mail u, reply r
where u.inbound_id = m.inbound_id and r.inbound_id = m.inbound_id and r.state = 'closed';

-- name: delete_malformed
-- Deletes unreadable bodies whose time is over.
delete from inbound_malformed where expires_at <= $1;

-- name: delete_digests
-- Deletes digests so old that nothing they stand for could count in a current ballot.
delete from inbound_digest where digest in (select digest from inbound_digest where noted_at < $1 order by noted_at limit $2);
