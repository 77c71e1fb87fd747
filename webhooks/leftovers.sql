-- name: drop_page
-- Goes through the inbox in the order things came, and deletes what is done and old enough. It stops where the young ones
-- begin, so it reads no more than it deletes and what stays for a person, and needs no index of its own.
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
-- Bodies nobody could read have a date of their own.
delete from inbox_malformed where expires_at <= $1;
