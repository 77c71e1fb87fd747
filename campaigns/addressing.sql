-- name: candidates
-- The candidates of a step: whether each has met the goal, whether anything stops messages to them altogether, and
-- their addresses in order of preference with what suppresses each; marketing also needs their consent. One row per
-- address, or one without an address for people who have none.
select
  asked.person_id,
  exists (select from goal_met g where g.goal_id = $3 and g.person_id = asked.person_id) as answered,
  (select s.reason from suppression s
   where s.channel = 'person' and s.address = asked.person_id::text and s.purpose in ('all', $4)
   order by s.since limit 1) as blocked,
  a.channel,
  a.address,
  coalesce(
    (
      select s.reason from suppression s
      where s.channel = a.channel and s.address = a.address and s.purpose in ('all', $4)
      order by s.since limit 1
    ),
    case when $4 = 'marketing' and agreed.given is not true then 'no_consent' end
  ) as suppressed
from unnest($1::bigint[]) as asked (person_id)
left join address a on a.person_id = asked.person_id and a.channel = any ($2::text[])
left join consent agreed
  on $4 = 'marketing' and agreed.person_id = a.person_id and agreed.purpose = $4 and agreed.channel = a.channel
order by asked.person_id, array_position($2::text[], a.channel), a.rank, a.address_id;

-- name: taken
-- Which of these addresses the step has used already.
select m.channel, m.address
from (select distinct * from unnest($2::text[], $3::text[]) as a (channel, address)) as wanted
join message m on m.step_id = $1 and m.channel = wanted.channel and m.address = wanted.address
