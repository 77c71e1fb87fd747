-- name: candidates
-- What decides who gets a step by what: whether they have answered, whether anything stops messages to them altogether,
-- and their addresses in order of preference with what stands against each: marketing needs that they have agreed to it.
-- One row a person, addresses as columns.
select
  asked.person_id,
  exists (select from goal_met g where g.goal_id = $3 and g.person_id = asked.person_id) as answered,
  (select s.reason from suppression s
   where s.channel = 'person' and s.address = asked.person_id::text and s.purpose in ('all', $4)
   order by s.since limit 1) as barred,
  own.channels, own.addresses, own.suppressed
from unnest($1::bigint[]) as asked (person_id)
left join (
  select
    a.person_id,
    array_agg(a.channel order by array_position($2::text[], a.channel), a.rank, a.address_id) as channels,
    array_agg(a.address order by array_position($2::text[], a.channel), a.rank, a.address_id) as addresses,
    array_agg(
      coalesce(stop.reason, case when $4 = 'marketing' and agreed.given is not true then 'no_consent' end)
      order by array_position($2::text[], a.channel), a.rank, a.address_id
    ) as suppressed
  from address a
  left join lateral (
    select s.reason from suppression s
    where s.channel = a.channel and s.address = a.address and s.purpose in ('all', $4)
    order by s.since limit 1
  ) stop on true
  left join consent agreed
    on agreed.person_id = a.person_id and agreed.purpose = $4 and agreed.channel = a.channel
  where a.person_id = any ($1::bigint[]) and a.channel = any ($2::text[])
  group by a.person_id
) own using (person_id)
order by asked.person_id;

-- name: taken
-- Which of these addresses the step has used already.
select m.channel, m.address
from (select distinct * from unnest($2::text[], $3::text[]) as a (channel, address)) as wanted
join message m on m.step_id = $1 and m.channel = wanted.channel and m.address = wanted.address
