-- name: ballots
-- Two ballots that are open, each with a campaign of five steps that went out in the last days.
with goal as (
  insert into goal (name) select 'goal ' || n from generate_series(1, 2) as n returning goal_id
), ballot as (
  insert into ballot (name, title, organisation, opens_at, closes_at, last_posting_at, threshold, goal_id)
  select
    'ballot-' || goal_id, 'Pay ballot ' || goal_id, 'The Union', now() - interval '10 days', now() + interval '20 days',
    now() + interval '15 days', 0.5, goal_id
  from goal
  returning ballot_id, goal_id
), campaign as (
  insert into campaign (name, title, subject_kind, subject_id, state, audience, spec, created_by)
  select 'campaign-' || ballot_id, 'Campaign', 'ballot', ballot_id, 'finished', '{}', '{}', 'bench' from ballot
  returning campaign_id, subject_id as ballot_id
), sender as (
  insert into sender (channel, address) values ('email', 'ballot@union.example.org') returning sender_id
)
insert into step (
  step_id, campaign_id, position, template, content, purpose, channels, email_sender_id, goal_id, state, secret
)
overriding system value
select
  (row_number() over (order by c.campaign_id, n))::int - 1, c.campaign_id, n, 'bench', '{}', 'service', array['email'],
  s.sender_id, b.goal_id, 'finished', 'none'
from campaign c
join ballot b using (ballot_id)
cross join sender s
cross join generate_series(1, 5) as n;

-- name: people
-- Members $1 to $2, each an elector of both ballots; every fifth has voted in both, every fiftieth gets nothing more.
with member as (
  insert into person (person_id, external_id, first_name, language)
  overriding system value
  select n, 'M' || n, (array['Amina', 'Bethan', 'Callum', 'Dilys', 'Siân'])[1 + n % 5], case n % 10 when 3 then 'cy' else 'en' end
  from generate_series($1::bigint, $2::bigint) as n
  returning person_id
), reached as (
  insert into address (person_id, channel, address)
  select person_id, 'email', 'm' || person_id || '@mail.example.org' from member
), enrolled as (
  insert into elector (ballot_id, person_id)
  select b.ballot_id, person_id from member cross join ballot b
), said as (
  insert into claim (ballot_id, person_id, kind, source, recorder, confidence)
  select b.ballot_id, person_id, 'voted', 'sms_reply', 'member', 0.95
  from member cross join ballot b
  where person_id % 5 = 0
  returning ballot_id, person_id, claim_id
), stood as (
  insert into claim_status (ballot_id, person_id, claim_id, kind, source)
  select ballot_id, person_id, claim_id, 'voted', 'sms_reply' from said
), met as (
  insert into goal_met (goal_id, person_id)
  select b.goal_id, s.person_id from said s join ballot b using (ballot_id)
), stopped as (
  insert into suppression_event (channel, address, purpose, action, reason, source)
  select 'email', 'm' || person_id || '@mail.example.org', 'all', 'suppress', 'hard_bounced', 'smtp'
  from member
  where person_id % 50 = 1
  returning *
)
insert into suppression (channel, address, purpose, reason, event_id)
select channel, address, purpose, reason, event_id from stopped;

-- name: messages
-- Messages $1 to $2: of $3 people one for each step, sent an hour ago or earlier.
insert into message (
  message_id, step_id, campaign_id, person_id, channel, address, sender_id, state, not_before, attempt, wire_at, sent_at
)
overriding system value
select
  n, (n - 1) / $3, s.campaign_id, 1 + (n - 1) % $3, 'email', 'm' || 1 + (n - 1) % $3 || '@mail.example.org',
  s.email_sender_id, 'accepted', now() - interval '3 days', 1, now() - interval '1 hour',
  now() - interval '1 hour' - n % 172800 * interval '1 second'
from generate_series($1::bigint, $2::bigint) as n
join step s on s.step_id = (n - 1) / $3;

-- name: links
-- The two links of each: a token is any 13 characters of the alphabet, here five of chance and the link's number, so that
-- the benchmark knows them all. The database keeps what it keeps of any token: 16 bytes of its digest.
insert into link (digest, message_id, action)
select
  substr(sha256((substr(md5(n::text), 1, 5) || lpad(to_hex(n), 8, '0'))::bytea), 1, 16), (n + 1) / 2,
  case n % 2 when 1 then 'confirm' else 'unsubscribe' end
from generate_series(2 * $1::bigint - 1, 2 * $2::bigint) as n;

-- name: answered
-- What came of the answers: each is a claim of the member's own, as sure as one press makes it.
select count(*) from claim where source = 'link' and kind = 'voted' and confidence > 0.9;
