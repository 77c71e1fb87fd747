-- name: branches
-- A tree as real ones are: regions and the branches in them.
with region as (
  insert into unit (kind, name, lineage)
  select 'region', 'Region ' || n, array[]::bigint[] from generate_series(1, 10) as n
  returning unit_id, name
), branch as (
  insert into unit (parent_id, kind, name, lineage)
  select r.unit_id, 'branch', 'Branch ' || b || ' of ' || r.name, array[r.unit_id]
  from region r
  cross join generate_series(1, 30) as b
)
select;

-- name: lineages
-- A unit's lineage ends with itself, and its id is known only now.
update unit set lineage = lineage || unit_id;

-- name: attributes
-- Two columns of the member file that no template uses: a launch leaves them out of the variables it keeps.
insert into attribute (name, label) values ('pay_band', 'Pay Band'), ('joined', 'Joined') on conflict do nothing;

-- name: people
-- Members $1 to $2, and every one with an email address.
with branch as (
  select array_agg(unit_id order by unit_id) as ids from unit where kind = 'branch'
), member as (
  insert into person (external_id, first_name, last_name, unit_id, attributes)
  select
    'M' || lpad(n::text, 8, '0'),
    (array['Amina', 'Bethan', 'Callum', 'Dilys', 'Ewan', 'Farah', 'Gareth', 'Hannah', 'Idris', 'Siân'])[1 + n % 10],
    (array['Okafor', 'Price', 'Reid', 'Singh', 'Taylor', 'Usman', 'Vaughan', 'Walsh', 'Young', 'Wŷn'])[1 + n / 10 % 10],
    branch.ids[1 + n % cardinality(branch.ids)],
    jsonb_build_object('pay_band', (array['AA', 'AO', 'EO', 'HEO'])[1 + n % 4], 'joined', (1985 + n % 40)::text)
  from branch
  cross join generate_series($1::int, $2::int) as n
  order by n
  returning person_id, external_id
)
insert into address (person_id, channel, address)
select person_id, 'email', lower(external_id) || '@mail.example.org' from member;

-- name: phones
-- Half of the members $1 to $2 have a phone too. The numbers belong to no operator (see sandbox/demo/member_file.py): there are
-- 300,000 of them, so nobody after the 600,000th has one.
insert into address (person_id, channel, address)
select p.person_id, 'sms', '+447700' || (array['2', '4', '5'])[1 + n / 200000] || lpad((n / 2 % 100000)::text, 5, '0')
from generate_series($1::int, least($2::int, 599999)) as n
join person p on p.external_id = 'M' || lpad(n::text, 8, '0')
where n % 2 = 0;

-- name: statistics
-- As autovacuum would have left them after an import of yesterday.
analyze;
