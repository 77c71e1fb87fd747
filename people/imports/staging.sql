-- name: delete_staged_rows
-- Calls a function of the owner's, because only the owner of a table may truncate it.
select clear_staging();

-- name: take_days
-- Shortens some attributes to the day at their beginning.
update staged_person s
set attributes = s.attributes || d.days
from (
  select p.line, jsonb_object_agg(n.name, left(p.attributes ->> n.name, $2::int)) as days
  from staged_person p
  join unnest($1::text[]) as n (name) on p.attributes ? n.name
  group by p.line
) d
where s.line = d.line;

-- name: take_out_repeats
-- Takes repetitions out: the first row of a person is kept. `same` tells a harmless repetition from a contradiction,
-- which staff have to settle.
with first as (
  select external_id, min(line) as line from staged_person group by external_id having count(*) > 1
)
delete from staged_person as later
using first, staged_person as earlier
where later.external_id = first.external_id and later.line > first.line
  and earlier.external_id = first.external_id and earlier.line = first.line
returning later.line, later.external_id, first.line as first_line,
  (
    select coalesce(jsonb_object_agg(name, jsonb_build_array(coalesce(earlier.attributes ->> name, ''), here.value)), '{}')
    from jsonb_each_text(later.attributes) as here (name, value)
    where here.value is distinct from earlier.attributes ->> name
  ) as others,
  (later.first_name, later.last_name, later.region, later.branch, later.workplace, later.language, later.time_zone,
   later.attributes, later.phones, later.emails)
  is not distinct from
  (earlier.first_name, earlier.last_name, earlier.region, earlier.branch, earlier.workplace, earlier.language,
   earlier.time_zone, earlier.attributes, earlier.phones, earlier.emails) as same;

-- name: take_out_erased
-- Takes out rows with the number that replaced an erased person's: it is nobody's number, also if an export has it.
delete from staged_person s
using person p
where p.external_id = s.external_id and p.erased_at is not null
returning s.line;

-- name: take_as_known
-- Gives rows whose number is nobody's the number of the one member that differs only in leading zeros or case. If there
-- is no such member, such numbers in the file take the first of them.
with new as (
  select s.line, s.external_id, number_key(s.external_id) as key
  from staged_person s
  where not exists (select from person p where p.external_id = s.external_id)
), known as (
  select number_key(external_id) as key, min(external_id) as external_id, count(*) as people
  from person
  where erased_at is null and number_key(external_id) in (select key from new)
  group by 1
), first as (
  select distinct on (key) key, external_id from new order by key, line
)
update staged_person s
set external_id = coalesce(known.external_id, first.external_id)
from new
join first using (key)
left join known using (key)
where s.line = new.line and s.external_id <> coalesce(known.external_id, first.external_id)
  and coalesce(known.people, 1) = 1;

-- name: take_out_alike
-- Takes out rows whose number is nobody's, and differs from a member's or an earlier row's only in leading zeros or
-- case.
with new as (
  select s.line, s.external_id, number_key(s.external_id) as key
  from staged_person s
  where not exists (select from person p where p.external_id = s.external_id)
), known as (
  select number_key(external_id) as key, min(external_id) as external_id
  from person
  where erased_at is null and number_key(external_id) in (select key from new)
  group by 1
), first as (
  select distinct on (key) key, line, external_id from new order by key, line
)
delete from staged_person s
using new
join first using (key)
left join known using (key)
where s.line = new.line and (known.key is not null or new.line > first.line)
returning new.line, new.external_id, coalesce(known.external_id, first.external_id) as other,
  known.key is not null as is_member;

-- name: find_leavers
-- People the file names although they have left, without people who will leave on a later day.
select s.external_id
from staged_person s
join person p using (person_id)
where p.struck_off_at is not null
order by s.line;

-- name: list_staged_paths
-- The units the file names: a few thousand combinations for any number of people.
-- In the order of the file, because the first spelling of a new unit is kept.
select region, branch, workplace from staged_person group by region, branch, workplace order by min(line);

-- name: stage_units
-- The unit that each combination of names resolved to.
insert into staged_unit (region, branch, workplace, unit_id, known)
select region, branch, workplace, unit_id, known
from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::boolean[])
  as given (region, branch, workplace, unit_id, known);

-- name: list_ambiguous_rows
-- Rows whose unit could be any of several: they keep the unit they have.
select s.line, s.external_id, concat_ws(' / ', nullif(region, ''), nullif(branch, ''), nullif(workplace, '')) as unit
from staged_person as s join staged_unit as u using (region, branch, workplace)
where not u.known order by s.line;

-- name: recognise_people
-- People who are known already, and of whom something differs from the file. Only details for which the file has
-- columns are compared: a null column, an attribute it does not have and a unit it does not name stay as they were. So
-- does everything in `kept`, for which the file has a column but the row has no usable cell; then addresses may be
-- added, but none is removed. $1: the names of the attributes the file has.
with present as (
  select s.external_id, p.person_id, u.known, u.unit_id,
         coalesce(array_agg(a.address order by a.rank, a.address_id) filter (where a.channel = 'sms'), '{}') as phones,
         coalesce(array_agg(a.address order by a.rank, a.address_id) filter (where a.channel = 'email'), '{}') as emails
  from staged_person as s
  join person as p using (external_id)
  left join staged_unit as u using (region, branch, workplace)
  left join address as a on a.person_id = p.person_id
  group by s.external_id, p.person_id, u.known, u.unit_id
)
update staged_person as s
set person_id = p.person_id,
    changed = (coalesce(s.first_name, p.first_name), coalesce(s.last_name, p.last_name),
               coalesce(s.language, p.language), coalesce(s.time_zone, p.time_zone),
               (p.attributes - array(select n from unnest($1::text[]) n where 'attributes.' || n <> all(s.kept)))
                 || s.attributes,
               case when 'phone' = any(s.kept) and s.phones <@ present.phones then present.phones
                    else coalesce(s.phones, present.phones) end,
               case when 'email' = any(s.kept) and s.emails <@ present.emails then present.emails
                    else coalesce(s.emails, present.emails) end,
               case when present.known and 'unit' <> all(s.kept) then present.unit_id else p.unit_id end)
              is distinct from
              (p.first_name, p.last_name, p.language, p.time_zone, p.attributes, present.phones, present.emails, p.unit_id)
from present
join person as p using (person_id)
where s.external_id = present.external_id;

-- name: count_known
-- Number of people about whom the file says something new, and number of people about whom it does not.
select count(*) filter (where changed) as changed, count(*) filter (where not changed) as same
from staged_person where person_id is not null;

-- name: update_people
-- Updates only people of whom something changed, so that a file imported every night rewrites nothing.
update person as p
set first_name = coalesce(s.first_name, p.first_name),
    last_name = coalesce(s.last_name, p.last_name),
    language = coalesce(s.language, p.language),
    time_zone = coalesce(s.time_zone, p.time_zone),
    attributes = (p.attributes - array(select n from unnest($1::text[]) n where 'attributes.' || n <> all(s.kept)))
                 || s.attributes,
    unit_id = case when u.known and 'unit' <> all(s.kept) then u.unit_id else p.unit_id end,
    updated_at = $2
from staged_person as s
left join staged_unit as u using (region, branch, workplace)
where s.changed and p.person_id = s.person_id;

-- name: delete_addresses
-- Addresses the file no longer gives, of the channels it has columns for and whose cells could be read.
delete from address as a
using staged_person as s
where s.changed and a.person_id = s.person_id
  and ((a.channel = 'sms' and a.address <> all(s.phones) and 'phone' <> all(s.kept))
       or (a.channel = 'email' and a.address <> all(s.emails) and 'email' <> all(s.kept)));

-- name: insert_people
-- Adds new people in the file's order, so that neighbours in the file are neighbours on disk and in a launch.
insert into person (external_id, first_name, last_name, unit_id, language, time_zone, attributes)
select s.external_id, coalesce(s.first_name, ''), coalesce(s.last_name, ''), u.unit_id,
       coalesce(s.language, $1), coalesce(s.time_zone, $2), s.attributes
from staged_person as s
left join staged_unit as u using (region, branch, workplace)
where s.person_id is null
order by s.line;

-- name: insert_addresses
-- Adds the addresses of everybody who is new or changed; one that they had already only takes its new rank.
insert into address (person_id, channel, address, rank)
select p.person_id, given.channel, given.address, given.rank
from staged_person as s
join person as p using (external_id)
cross join lateral (
  select 'sms' as channel, address, position - 1 as rank from unnest(s.phones) with ordinality as t (address, position)
  union all
  select 'email', address, position - 1 from unnest(s.emails) with ordinality as t (address, position)
) as given
where s.person_id is null or s.changed
order by p.person_id
on conflict (person_id, channel, address) do update set rank = excluded.rank
where address.rank <> excluded.rank;

-- name: register_attributes
-- Registers the file's attributes: a template or filter may name them from now on.
insert into attribute (name, label) select name, label from unnest($1::text[], $2::text[]) as given (name, label)
on conflict (name) do nothing;

-- name: count_unreachable
-- People of this file no message can reach.
select count(*) from staged_person as s join person as p using (external_id)
where not exists (select from address as a where a.person_id = p.person_id);

-- name: delete_attributes
-- Removes from people in the file the attributes that a mapping file now says are something else.
update person p set attributes = p.attributes - $1::text[]
from staged_person s
where s.external_id = p.external_id and p.attributes ?| $1::text[];

-- name: analyze_staged_people
-- Renews the planner's statistics of the rows that were staged, before they are joined.
select refresh_statistics('staged_person');

-- name: analyze_staged_units
-- Renews the planner's statistics of the units that were staged, before people are given theirs.
select refresh_statistics('staged_unit');

-- name: analyze_people
-- Renews the planner's statistics after a large import, as a launch may follow at once.
select refresh_statistics('person', 'address', 'unit');
