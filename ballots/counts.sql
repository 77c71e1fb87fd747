-- name: sum_ballot
-- Sums the whole ballot: a few hundred rows, even for a large electorate.
select measure, sum(n)::bigint as n from count_change where ballot_id = $1 group by measure;

-- name: sum_units
-- Sums the rows of the units people are in, then adds each sum to every unit above; the last row, without a unit,
-- counts people without a unit of the requested kind, so that the rows of one kind always add up to the ballot.
with direct as (
  select unit_id, measure, sum(n) as n from count_change where ballot_id = $1 group by unit_id, measure
), spread as (
  select k.unit_id, d.measure, d.n
  from direct d
  join unit u on u.unit_id = d.unit_id
  cross join lateral unnest(u.lineage) as above (unit_id)
  join unit k on k.unit_id = above.unit_id and ($2::text is null or k.kind = $2)
  union all
  select null, d.measure, d.n
  from direct d
  where not exists (
    select from unit u join unit k on k.unit_id = any (u.lineage) and ($2::text is null or k.kind = $2)
    where u.unit_id = d.unit_id
  )
), summed as (
  select unit_id, measure, sum(n)::bigint as n from spread group by unit_id, measure
), gathered as (
  select unit_id, jsonb_object_agg(measure, n) as measures from summed where n <> 0 group by unit_id
)
select
  g.unit_id, coalesce(u.name, '') as name, coalesce(u.kind, '') as kind, g.measures,
  coalesce(unit_path(u.lineage), '') as path
from gathered g
left join unit u using (unit_id)
order by u.unit_id is null, path, u.unit_id;

-- name: find_ledger_differences
-- Recounts electors and statuses from the ledger of claims, and returns where the running sums differ. Each elector is
-- looked up by the whole key (`limit 1`), also while statistics do not know the ballot.
with ranking as (
  select * from unnest($2::text[], $3::text[], $4::int[]) as r (kind, source, strength)
), present as (
  select distinct on (c.person_id) c.person_id, c.kind
  from claim c
  join ranking using (kind, source)
  where c.ballot_id = $1 and not exists (select from claim undone where undone.retracts = c.claim_id)
  order by c.person_id, ranking.strength desc, c.at desc, c.claim_id desc
), counted as (
  select coalesce(unit_id, 0) as unit_id, 'electorate' as measure, count(*) as n
  from elector where ballot_id = $1 group by 1
  union all
  select coalesce(e.unit_id, 0), s.kind, count(*)
  from present s
  cross join lateral (
    select e.unit_id from elector e where e.ballot_id = $1 and e.person_id = s.person_id limit 1
  ) as e
  group by 1, 2
), summed as (
  select coalesce(unit_id, 0) as unit_id, measure, sum(n)::bigint as n
  from count_change
  where ballot_id = $1 and measure <> all (array['reachable', 'reachable_sms', 'reachable_email', 'contacted'])
  group by 1, 2
)
select nullif(unit_id, 0) as unit_id, measure, coalesce(t.n, 0) as summed, coalesce(c.n, 0) as counted
from counted c
full join summed t using (unit_id, measure)
where coalesce(t.n, 0) <> coalesce(c.n, 0)
order by 1, 2;

-- name: find_reach_differences
-- Recounts the members who can be reached and who were contacted, and returns where the running sums differ. An address
-- counts while nothing suppresses it for every purpose. A member was contacted if a provider accepted a message to
-- them, of a step whose goal is the ballot's. Once messages of the ballot have begun to be archived, "contacted" no
-- longer changes. Once an elector of a closed ballot has been erased, the counts of reachable members no longer change
-- either.
with usable as (
  select
    e.person_id, coalesce(e.unit_id, 0) as unit_id,
    bool_or(a.channel = 'sms') as sms, bool_or(a.channel = 'email') as email
  from elector e
  join address a using (person_id)
  left join suppression s on s.channel = a.channel and s.address = a.address and s.purpose = 'all'
  left join suppression nobody
    on nobody.channel = 'person' and nobody.address = e.person_id::text and nobody.purpose = 'all'
  where e.ballot_id = $1 and s.address is null and nobody.address is null
  group by e.person_id, e.unit_id
), met as (
  select coalesce(e.unit_id, 0) as unit_id, count(distinct m.person_id) as n
  from ballot b
  join step st on st.goal_id = b.goal_id
  join message m on m.step_id = st.step_id
  cross join lateral (
    select e.unit_id from elector e where e.ballot_id = b.ballot_id and e.person_id = m.person_id limit 1
  ) as e
  where b.ballot_id = $1 and is_received(m.state)
  group by 1
), counted as (
  select unit_id, measure, n
  from (
    select
      unit_id, count(*) as reachable, count(*) filter (where sms) as reachable_sms,
      count(*) filter (where email) as reachable_email
    from usable group by unit_id
  ) reach
  cross join lateral (
    values ('reachable', reachable), ('reachable_sms', reachable_sms), ('reachable_email', reachable_email)
  ) as each_measure (measure, n)
  union all
  select unit_id, 'contacted', n from met
), summed as (
  select coalesce(unit_id, 0) as unit_id, measure, sum(n)::bigint as n
  from count_change
  where ballot_id = $1 and measure = any (array['reachable', 'reachable_sms', 'reachable_email', 'contacted'])
  group by 1, 2
)
select nullif(unit_id, 0) as unit_id, measure, coalesce(t.n, 0) as summed, coalesce(c.n, 0) as counted
from counted c
full join summed t using (unit_id, measure)
where coalesce(t.n, 0) <> coalesce(c.n, 0)
  and (measure <> 'contacted' or exists (select from ballot where ballot_id = $1 and contacted_final_at is null))
  and (measure = 'contacted' or exists (select from ballot where ballot_id = $1 and reach_final_at is null))
order by 1, 2;

-- name: add_differences
-- Corrects running sums by adding rows, as every other change does.
insert into count_change (ballot_id, unit_id, measure, n)
select $1, unit_id, measure, n from unnest($2::bigint[], $3::text[], $4::bigint[]) as d (unit_id, measure, n);

-- name: lock_counts
-- Locks the ballot's counts: waits for claims that are being recorded, and new ones wait.
select pg_advisory_xact_lock(hashtextextended('ballot:' || $1::bigint, 0));

-- name: lock_reach
-- Allows one recount of reach at a time; claims do not wait.
select pg_advisory_xact_lock(hashtextextended('reach:' || $1::bigint, 0));

-- name: is_contacted_final
-- Whether the number of contacted members no longer changes.
select contacted_final_at is not null from ballot where ballot_id = $1;

-- name: finish_contacted
-- Records that the number of contacted members no longer changes.
update ballot set contacted_final_at = $2 where ballot_id = $1 and contacted_final_at is null;

-- name: list_closed_ballots
-- A person's closed ballots whose reach may still change.
select b.ballot_id
from elector e
join ballot b using (ballot_id)
where e.person_id = $1 and b.closes_at <= $2 and b.reach_final_at is null
order by b.ballot_id;

-- name: finish_reach
-- Records that the numbers of members who can be reached no longer change.
update ballot set reach_final_at = $2 where ballot_id = $1 and reach_final_at is null;

-- name: compact
-- Replaces the rows of each sum by one row. A claim recorded meanwhile adds its own row and is not disturbed.
with crowded as (
  select unnest(array_agg(count_change_id)) as count_change_id
  from count_change group by ballot_id, unit_id, measure having count(*) > 1
), removed as (
  delete from count_change t
  using crowded c
  where t.count_change_id = c.count_change_id
  returning t.ballot_id, t.unit_id, t.measure, t.n
), kept as (
  insert into count_change (ballot_id, unit_id, measure, n)
  select ballot_id, unit_id, measure, sum(n) from removed group by ballot_id, unit_id, measure having sum(n) <> 0
)
select count(*) from removed;

-- name: take_due_ballot
-- Takes an open ballot whose reach is due for a recount; only one worker gets it, so a hundred workers cost no more
-- than one. If that worker is killed, the recount is due again in $2 seconds. By the server's clock, because the hosts'
-- clocks differ.
update ballot b set reach_due_at = clock_timestamp() + $2 * interval '1 second'
from (
  select ballot_id from ballot
  where closes_at > $1 and reach_due_at <= clock_timestamp()
  order by reach_due_at, ballot_id
  limit 1
  for no key update skip locked
) as due
where b.ballot_id = due.ballot_id
returning b.ballot_id;

-- name: note_recount
-- Records that reach was recounted; it is due again in $2 seconds.
update ballot set reach_due_at = clock_timestamp() + $2 * interval '1 second' where ballot_id = $1;
