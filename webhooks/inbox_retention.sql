-- name: note_page
-- Digests of what the next statement deletes from the same page, for sources without a proof of date: repetitions are
-- recognised for longer than the item is kept. The row itself still blocks repetitions until its digest has been
-- committed.
insert into inbox_digest (digest, noted_at)
select inbox_digest_of(i.source, i.dedupe_key), $5
from (select inbox_id from inbox where inbox_id > $1 order by inbox_id limit $3) as page
join inbox i using (inbox_id)
where i.state = 'done' and i.received_at < $2 and i.processed_at < $2 and i.source = any ($4::text[])
on conflict (digest) do nothing;

-- name: drop_page
-- Goes through the table in the order of arrival, and deletes what is done and old enough. It stops at the first young
-- rows, so it reads only what it deletes and what stays for a person, and needs no index of its own.
with page as materialized (
  select inbox_id, received_at from inbox where inbox_id > $1 order by inbox_id limit $3
), gone as (
  delete from inbox i
  using page p
  where i.inbox_id = p.inbox_id and i.state = 'done' and i.received_at < $2 and i.processed_at < $2
  returning i.inbox_id
)
select
  (select max(inbox_id) from page) as last, (select count(*) from gone) as deleted,
  (select count(*) < $3 or max(received_at) >= $2 from page) as reached;

-- name: drop_malformed
-- Unreadable bodies have an expiry date of their own.
delete from inbox_malformed where expires_at <= $1;

-- name: drop_digests
-- Digests so old that nothing they stand for could count in a current ballot.
delete from inbox_digest where digest in (select digest from inbox_digest where noted_at < $1 order by noted_at limit $2);
