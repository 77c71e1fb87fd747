-- name: count_address_columns
-- How many columns the addresses need: the most anybody has.
select coalesce(max(n) filter (where channel = 'sms'), 0) as phones,
       coalesce(max(n) filter (where channel = 'email'), 0) as emails
from (select channel, count(*) as n from address group by person_id, channel) as counts;

-- name: list_attributes
-- Attributes in the order they were first imported.
select name, label from attribute order by created_at, name;

-- name: list_members
-- All members, read through a cursor, a page at a time, so that memory does not grow with the membership. People who
-- have left are left out: imported elsewhere, the file would make them members again.
select p.external_id, p.first_name, p.last_name, p.language, p.time_zone, p.attributes,
       array(select address from address as a where a.person_id = p.person_id and a.channel = 'sms'
             order by a.rank, a.address_id) as phones,
       array(select address from address as a where a.person_id = p.person_id and a.channel = 'email'
             order by a.rank, a.address_id) as emails,
       (select coalesce(jsonb_object_agg(u.kind, u.name), '{}') from unit as own
        join unit as u on u.unit_id = any(own.lineage) where own.unit_id = p.unit_id) as units
from person as p
where p.struck_off_at is null
order by p.person_id;
