-- name: create_ballot
-- Checks the name and inserts in one statement, so two files at once cannot both create the ballot.
insert into ballot (
  name, title, organisation, opens_at, closes_at, time_zone, last_posting_at, replacement_by,
  threshold, disaggregated, constituency, over_report, goal_id, attributes
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
on conflict (name) do nothing
returning ballot_id;

-- name: add_units
-- The units whose members vote.
insert into ballot_unit (ballot_id, unit_id) select $1, unit_id from unnest($2::bigint[]) as u (unit_id);

-- name: get_ballot
-- One ballot, by its name.
select
  b.ballot_id, b.name, b.title, b.organisation, b.opens_at, b.closes_at, b.time_zone, b.last_posting_at,
  b.replacement_by, b.threshold::float8 as threshold, b.disaggregated, b.constituency,
  b.over_report::float8 as over_report, b.goal_id, b.attributes,
  (select coalesce(array_agg(unit_id order by unit_id), '{}') from ballot_unit u where u.ballot_id = b.ballot_id) as units
from ballot b
where b.name = $1;

-- name: list_names
-- Names of ballots, soonest to close first.
select name from ballot order by closes_at, name;

-- name: add_electors
-- Enrols everybody in the ballot's units, or all members where it names none, with the attributes it requires (a list:
-- one of these; true or false: has it or not). Electors already enrolled follow a move to another unit. Members who
-- have left or were erased are not enrolled. The full join is for the planner, which has no other way to do it than a hash or a
-- merge. Where statistics say that there are no electors, or none of this ballot, it would read for each person all electors,
-- those that this statement has just added among them. `coalesce` leaves out rows that the full join adds. `p.person_id is not
-- null` says the same and must not stand here: the planner would see that every row has a person, make a left join of the full
-- one, and again be free to read all electors for each person. So would it for any other condition on `p` that is never true
-- of null, such as `p.unit_id = 1`: write that with `coalesce`, too.
insert into elector (ballot_id, person_id, unit_id)
select $1, p.person_id, p.unit_id
from person p
left join unit u using (unit_id)
full join (select person_id, unit_id from elector where ballot_id = $1) as e on e.person_id = p.person_id
where coalesce(p.person_id, 0) <> 0
  and (e.person_id is null or e.unit_id is distinct from p.unit_id)
  and p.struck_off_at is null
  and (
    not exists (select from ballot_unit where ballot_id = $1)
    or u.lineage && (select array_agg(unit_id) from ballot_unit where ballot_id = $1)
  )
  and not exists (
    select from jsonb_each((select attributes from ballot where ballot_id = $1)) as required (name, wanted)
    where case jsonb_typeof(required.wanted)
      when 'boolean' then (coalesce(p.attributes ->> required.name, '') <> '') <> required.wanted::boolean
      else not required.wanted ? coalesce(p.attributes ->> required.name, '')
    end
  )
on conflict (ballot_id, person_id) do update
  set unit_id = excluded.unit_id
  where elector.unit_id is distinct from excluded.unit_id;
