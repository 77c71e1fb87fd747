-- name: list_candidates
-- The candidates of a step: whether each has met the goal, whether anything stops messages to them altogether, and
-- their addresses in order of preference with what stops each. One row per address, or one without an address for
-- people who have none.
select
  candidate.person_id, stop.answered, stop.for_person as blocked, a.channel, a.address, stop.for_address as suppressed
from unnest($1::bigint[]) as candidate (person_id)
left join address a on a.person_id = candidate.person_id and a.channel = any ($2::text[])
cross join lateral stops_of($3, candidate.person_id, a.channel, a.address, $4) as stop
order by candidate.person_id, array_position($2::text[], a.channel), a.rank, a.address_id;

-- name: list_taken_addresses
-- Which of these addresses the step has a message to already. A dated step follows people to other addresses, so there
-- an address counts only for a person who has it now: a number that was passed on belongs to its new owner alone. (A
-- subquery for each row: an "exists" may become one look at everybody's addresses.)
select m.channel, m.address
from (select distinct * from unnest($2::text[], $3::text[]) as a (channel, address)) as wanted
join message m on m.step_id = $1 and m.channel = wanted.channel and m.address = wanted.address
where not m.apart or (
  select true from address a
  where a.person_id = m.person_id and a.channel = m.channel and a.address = m.address
  limit 1
);
