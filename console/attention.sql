-- name: list_writers
-- Names, numbers and branches of people who wrote replies. Only the initial of a last name leaves the database. The
-- branch is the unit of that kind above them, or else the unit they are in.
select
  p.person_id, p.first_name, left(p.last_name, 1) as last_initial,
  (select b.name from unit u join unit b on b.unit_id = any (u.lineage)
   where u.unit_id = p.unit_id order by b.kind = 'branch' desc, cardinality(b.lineage) desc limit 1) as branch
from person p
where p.person_id = any ($1::bigint[]);

-- name: count_open_replies
-- How many replies are open.
select count(*) from reply where state = 'open';
