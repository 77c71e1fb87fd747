-- name: regions
-- Ten regions with ninety branches each.
with region as (
  insert into unit (kind, name, lineage)
  select 'region', 'Region ' || n, array[]::bigint[] from generate_series(1, 10) as n
  returning unit_id, name
)
insert into unit (parent_id, kind, name, lineage)
select r.unit_id, 'branch', 'Branch ' || b || ' of ' || r.name, array[r.unit_id]
from region r
cross join generate_series(1, 90) as b;

-- name: lineages
-- A unit's lineage ends with itself, and its id is known only now.
update unit set lineage = lineage || unit_id;

-- name: people
-- $1 members over all branches, with names of some variety; each has a mailbox, and every other a number.
with branch as (
  select array_agg(unit_id order by unit_id) as ids from unit where kind = 'branch'
), member as (
  insert into person (external_id, first_name, last_name, unit_id)
  select
    'M' || lpad(n::text, 8, '0'),
    (array['Amina', 'Bethan', 'Callum', 'Dilys', 'Ewan', 'Farah', 'Gareth', 'Hannah', 'Idris', 'Siân'])[1 + n % 10],
    initcap(translate(substr(md5((n / 3)::text), 1, 7), '0123456789', 'aeioulnrst'))
      || (array['son', 'ford', 'smith', 'jones', 'patel'])[1 + n % 5],
    branch.ids[1 + n % cardinality(branch.ids)]
  from branch
  cross join generate_series(1, $1::int) as n
  returning person_id, external_id
), mailbox as (
  insert into address (person_id, channel, address)
  select person_id, 'email', lower(external_id) || '@mail.example.org' from member
)
insert into address (person_id, channel, address)
select person_id, 'sms', '+447700' || lpad((person_id % 1000000)::text, 6, '0') from member where person_id % 2 = 0;

-- name: steps
-- Three steps that finished.
insert into step (step_id, campaign_id, position, template, content, purpose, channels, state, secret)
overriding system value
select 100 + n, 100, n, 'bench', '{}', 'service', array['email'], 'finished', 'none' from generate_series(1, 3) as n;

-- name: sent
-- A message of each to everybody, delivered long ago.
insert into message (
  step_id, campaign_id, person_id, channel, address, state, not_before, attempt, wire_at, provider_id, sent_at
)
select
  100 + n, 100, person_id, 'email', lower(external_id) || '@mail.example.org', 'delivered', now() - interval '30 days', 1,
  now() - interval '30 days', 'sent-' || n || '-' || person_id, now() - interval '30 days'
from person cross join generate_series(1, 3) as n;

-- name: progress_by_hand
-- How their messages stand, cut by hand.
select step_id, channel, state, reason, count(*) as n, coalesce(sum(segments), 0) as segments,
  count(*) filter (where sent_at > now() - $2::float8 * interval '1 second') as lately
from message m
where step_id = any ($1::bigint[]) and exists (
  select from person p where p.person_id = m.person_id and p.unit_id = any ($3::bigint[])
)
group by step_id, channel, state, reason;

-- name: settle
-- As autovacuum leaves them.
vacuum analyze person, address, unit, message, step;

-- name: somebody
-- A last name that few have, of somebody in a branch.
select folded(last_name) from person where unit_id = $1 order by person_id limit 1;

-- name: page
-- A page of people, as a policy cuts it.
select person_id, external_id, first_name, last_name, (select name from unit u where u.unit_id = p.unit_id) as unit
from person p
where erased_at is null
order by last_name, first_name, person_id
limit 50;

-- name: page_by_hand
-- The same, cut by hand.
select person_id, external_id, first_name, last_name, (select name from unit u where u.unit_id = p.unit_id) as unit
from person p
where erased_at is null and unit_id = any ($1::bigint[])
order by last_name, first_name, person_id
limit 50;

-- name: count
-- How many there are, for the page's heading.
select count(*) from person where erased_at is null;

-- name: count_by_hand
-- The same, cut by hand.
select count(*) from person where erased_at is null and unit_id = any ($1::bigint[]);

-- name: search
-- Members whose names or numbers match, in the scope.
select * from find_people(array[$1::text], true, $1::text, '{}', array[$1::text], 50);

-- name: search_by_hand
-- The same, cut by hand.
with hit as (
  select p.person_id from person p
  where folded(p.first_name || ' ' || p.last_name || ' ' || p.external_id) like ($1::text[])[1]
    and folded(p.first_name || ' ' || p.last_name || ' ' || p.external_id) like ($1::text[])[2]
    and folded(p.first_name || ' ' || p.last_name || ' ' || p.external_id) like ($1::text[])[3]
    and ($4::boolean or p.unit_id = any ($5::bigint[])) and p.erased_at is null
  union
  select p.person_id from person p
  where p.external_id = $2::text and ($4::boolean or p.unit_id = any ($5::bigint[])) and p.erased_at is null
  union
  select p.person_id from address a join person p using (person_id)
  where a.address = any ('{}') and ($4::boolean or p.unit_id = any ($5::bigint[])) and p.erased_at is null
  union
  select p.person_id from address a join person p using (person_id)
  where a.address like ($3::text[])[1] and ($4::boolean or p.unit_id = any ($5::bigint[])) and p.erased_at is null
  union
  select p.person_id from address a join person p using (person_id)
  where a.address like ($3::text[])[2] and ($4::boolean or p.unit_id = any ($5::bigint[])) and p.erased_at is null
)
select
  p.person_id, p.external_id, trim(p.first_name || ' ' || p.last_name) as name, coalesce(u.name, '') as unit, p.left_at,
  array(
    select a.address from address a where a.person_id = p.person_id order by a.channel desc, a.rank, a.address_id
  ) as addresses
from hit
join person p using (person_id)
left join unit u using (unit_id)
where p.erased_at is null
order by p.external_id <> $2::text, p.last_name, p.first_name, p.person_id
limit 50;
