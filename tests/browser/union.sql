-- name: branches
-- $1 branches in five regions.
with region as (
  insert into unit (kind, name, lineage)
  select 'region', name, array[]::bigint[] from unnest(array['North', 'Midlands', 'Wales', 'London', 'South']) as r (name)
  returning unit_id, name
), numbered as (
  select unit_id, row_number() over (order by unit_id) - 1 as n from region
)
insert into unit (parent_id, kind, name, lineage)
select
  r.unit_id, 'branch',
  (array['Ashford', 'Barrow', 'Caerphilly', 'Derby', 'Exeter', 'Falmouth', 'Gateshead', 'Harlow', 'Ipswich', 'Jarrow', 'Kettering', 'Llanelli', 'Margate', 'Newport', 'Oldham', 'Preston', 'Queensferry', 'Redruth', 'Stockton', 'Tŷ Glas'])[1 + b % 20]
    || ' ' || (array['Land Registry', 'Courts', 'Revenue', 'Passport Office', 'Jobcentre', 'Coastguard', 'Museums', 'Prisons', 'Valuation', 'Shared Services', 'Driving Standards', 'Borders', 'Pensions', 'Statistics', 'Companies House'])[1 + (b / 20) % 15],
  array[r.unit_id]
from generate_series(0, $1::int - 1) as b
join numbered r on r.n = b % 5;

-- name: lineages
update unit set lineage = lineage || unit_id;

-- name: people
-- $1 members, unevenly over the branches.
insert into person (external_id, first_name, last_name, unit_id)
select
  'M' || lpad(p::text, 7, '0'),
  (array['Amina', 'Bethan', 'Callum', 'Dilys', 'Ewan', 'Farah', 'Gareth', 'Hannah', 'Idris', 'Jo'])[1 + p % 10],
  (array['Okafor', 'Price', 'Reid', 'Singh', 'Taylor', 'Usman', 'Vaughan', 'Walsh', 'Young', 'Zaman'])[1 + (p / 10) % 10],
  b.ids[1 + (p::bigint * 7919 + (p * 31 % 97) * (p % 13)) % cardinality(b.ids)]
from generate_series(1, $1::int) as p
cross join (select array_agg(unit_id order by unit_id) as ids from unit where kind = 'branch') b;

-- name: ballot
-- Opened ten days before $1, closes eleven days after it.
with goal as (insert into goal (name) values ('pay-2026') returning goal_id)
insert into ballot (name, title, organisation, opens_at, closes_at, last_posting_at, replacement_by, threshold, goal_id)
select
  'pay-2026', 'Pay ballot 2026', 'Union of Public Servants', $1::timestamptz - interval '10 days', today + interval '11 days 12 hours',
  today + interval '8 days 17 hours', today + interval '5 days 17 hours', 0.5, goal_id
from goal, date_trunc('day', $1::timestamptz) as today
returning ballot_id;

-- name: electors
insert into elector (ballot_id, person_id, unit_id) select $1, person_id, unit_id from person where unit_id is not null;

-- name: claims
-- Some branches are far ahead of others, and more say so every day.
with said as (
  insert into claim (ballot_id, person_id, kind, source, recorder, confidence, at)
  select
    $1, e.person_id, 'voted', (array['link', 'link', 'sms_reply', 'rep'])[1 + e.person_id % 4], 'member', 0.9,
    $2::timestamptz - interval '10 days' * power((e.person_id * 37 % 1000) / 1000.0, 1.3)
  from elector e
  where e.ballot_id = $1 and (e.person_id * 7919 % 100) < 14 + (e.unit_id * 13 % 67)
  returning claim_id, ballot_id, person_id, kind, source
)
insert into claim_status (ballot_id, person_id, claim_id, kind, source) select ballot_id, person_id, claim_id, kind, source from said;

-- name: tallies
insert into count_change (ballot_id, unit_id, measure, n)
select $1, e.unit_id, m.measure, sum(m.n)
from elector e
left join claim_status s using (ballot_id, person_id)
cross join lateral (values
  ('electorate', 1), ('reachable', (e.person_id % 12 > 1)::int), ('reachable_sms', (e.person_id % 12 > 3)::int),
  ('reachable_email', (e.person_id % 12 between 2 and 8)::int), ('contacted', (e.person_id % 12 > 2)::int), ('voted', (s.kind is not null)::int)
) as m (measure, n)
where e.ballot_id = $1
group by e.unit_id, m.measure;

-- name: campaign
insert into campaign (name, title, subject_kind, subject_id, state, audience, spec, created_by, launched_at)
values ($1, $2, 'ballot', $3, $4, '{}', '{}', 'test', $5) returning campaign_id;

-- name: step
insert into step (campaign_id, position, template, content, purpose, channels, state, secret, launched_at, finished_at, after, goal_id)
select $1, $2, $3, '{}', 'service', $4, $5, 'x', $6, $7, $8, subject.goal_id
from campaign c join subject using (subject_kind, subject_id)
where c.campaign_id = $1
returning step_id;

-- name: messages
-- Everybody gets a row; $4 says how far it has come, from 0 to 100 in the hundred.
insert into message (step_id, campaign_id, person_id, channel, address, state, reason, segments, sent_at)
select
  $1, $2, p.person_id, case when x.fate <> 'skipped' then $3 end,
  case when x.fate <> 'skipped' then case $3 when 'sms' then '+447700' || lpad(p.person_id::text, 6, '0') else 'm' || p.person_id || '@union.test' end end,
  x.fate::message_state,
  case x.fate when 'skipped' then (array['no_address', 'no_address', 'landline'])[1 + p.person_id % 3] when 'cancelled' then 'answered' when 'suppressed' then 'opted_out'
    when 'bounced' then 'hard_bounced' when 'undelivered' then 'unreachable' when 'ambiguous' then 'no_answer' end,
  case when $3 = 'sms' and x.fate in ('accepted', 'sent', 'delivered', 'undelivered') then 2 end,
  case when x.fate in ('accepted', 'sent', 'delivered', 'undelivered', 'bounced') then now() - interval '1 second' * (p.person_id % 40) end
from person p
cross join lateral (select (p.person_id * 31 % 100)::int as n, (p.person_id * 17 % 100)::int as m) dice
cross join lateral (select case
  when dice.n < 6 then 'skipped' when dice.n < 8 then 'suppressed' when dice.n < 14 then 'cancelled'
  when dice.m >= $4::int then 'queued' when dice.n < 18 then case $3 when 'sms' then 'undelivered' else 'bounced' end when dice.n < 19 then 'ambiguous'
  when dice.n < 30 then 'accepted' else 'delivered' end as fate) x;

-- name: reply
insert into reply (inbound_id, channel, address, sender, person_id, text, reading, rule, rule_version, why_open, state, received_at)
values ($1, 'sms', $2, '+447700900000', $3, $4, 'unclear', 'none', '1', $5, 'open', $6);

-- name: silent
-- The link of somebody who was sent step $1's message and has not said anything yet.
update message set sent_at = $2::timestamptz - interval '1 day'
where message_id = (
  select m.message_id from message m
  join elector e using (person_id)
  left join claim_status st on st.person_id = m.person_id and st.ballot_id = e.ballot_id
  where m.step_id = $1 and m.state = 'delivered' and st.person_id is null
  order by m.message_id limit 1
)
returning message_id, person_id;

-- name: link
insert into link (digest, message_id, action) values ($1, $2, 'confirm');
