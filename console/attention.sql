-- name: open_replies
-- The oldest first: they have waited longest. Only the initial of a last name leaves the database.
select
  r.reply_id, r.channel, r.address, r.text, r.why_open as why, r.received_at,
  p.first_name, left(p.last_name, 1) as last_initial,
  (select b.name from unit u join unit b on b.unit_id = any (u.lineage)
   where u.unit_id = p.unit_id order by b.kind = 'branch' desc, cardinality(b.lineage) desc limit 1) as branch
from reply r
left join person p using (person_id)
where r.state = 'open'
order by r.received_at
limit $1;

-- name: count_open
select count(*) from reply where state = 'open';
