-- name: grow
-- A database in the midst of its fourth campaign: 40,000 messages, some waiting, some on their way, most of them finished,
-- and what comes with them.
insert into goal (name) select 'goal ' || n from generate_series(1, 4) as n;
insert into goal_met (goal_id, person_id)
  select g, p from generate_series(1, 4) as g cross join generate_series(1, 40000, 3) as p;
insert into sender (channel, address) values ('sms', '+447480111111'), ('email', 'ballot@union.test');
insert into ballot (name, title, opens_at, closes_at, threshold, goal_id)
  select 'b' || n, 'Ballot', now() - interval '10 days', now() + interval '10 days', 0.5, n
  from generate_series(1, 4) as n;
insert into campaign (name, title, subject_kind, subject_id, state, audience, spec, created_by)
  select 'c' || n, 'Campaign', 'ballot', n, 'running', '{}', '{}', 'ann' from generate_series(1, 4) as n;
insert into person (external_id, first_name) select 'M' || n, 'Ann' from generate_series(1, 40000) as n;
insert into step (campaign_id, position, template, content, purpose, channels, sms_sender_id, email_sender_id, goal_id,
    state, secret)
  select n, 1, 't', '{}', 'service', array['email', 'sms'], 1, 2, n, 'running', 's' from generate_series(1, 4) as n;
insert into dispatcher (name, until, gone_at)
  select 'w' || n, now() + interval '1 minute', case when n > 15 then now() end from generate_series(1, 20) as n;
insert into message (step_id, campaign_id, person_id, channel, address, sender_id, state, reason, not_before,
    dispatcher_id, wire_at, provider_id, sent_at, changed_at)
  select
    s, s, p, c, a, case c when 'sms' then 1 else 2 end, state, null, now() - interval '1 hour',
    1 + p % 20,
    case when state <> 'queued' then now() - interval '1 hour' end,
    case when c = 'sms' and state not in ('queued', 'sending', 'ambiguous') then 'SM' || s || '-' || p end,
    case when state not in ('queued', 'sending', 'ambiguous') then now() - interval '1 hour' end,
    now() - p % 3600 * interval '1 second'
  from generate_series(1, 4) as s
  cross join lateral (
    select
      p, case p % 2 when 0 then 'sms' else 'email' end as c,
      case p % 2 when 0 then '+4477' || lpad(p::text, 8, '0') else 'm' || p || '@mail.example.org' end as a,
      (case when s = 4 and p % 2 = 0 then 'queued' when p % 200 = 1 then 'queued' when p % 500 = 3 then 'ambiguous'
        else 'delivered' end)::message_state as state
    from generate_series(1, 10000) as p
  ) as one;
with taken as (
  delete from queue q using message m where m.message_id = q.message_id and m.person_id % 200 = 1 returning q.*, m.dispatcher_id
)
insert into in_flight (message_id, queue_id, not_before, attempt, dispatcher_id, wire_at)
  select message_id, queue_id, not_before, attempt, dispatcher_id, now() - interval '1 hour' from taken;
insert into message_event (message_id, state, source)
  select message_id, state, 'worker' from message cross join generate_series(1, 3);
insert into link (digest, message_id, action)
  select sha256(message_id::text::bytea), message_id, 'confirm' from message;
with event as (
  insert into suppression_event (channel, address, purpose, action, reason, source)
  select 'email', 'gone' || n || '@mail.example.org', 'all', 'suppress', 'hard_bounced', 'smtp'
  from generate_series(1, 30000) as n
  returning *
)
insert into suppression (channel, address, purpose, reason, event_id)
  select channel, address, purpose, reason, event_id from event;
insert into address (person_id, channel, address)
  select p, 'sms', '+4477' || lpad(p::text, 8, '0') from generate_series(1, 40000) as p;
with event as (
  insert into consent_event (person_id, channel, purpose, action, source, at, recorder)
  select p, 'sms', 'marketing', 'give', 'form', now(), 'ann' from generate_series(1, 30000) as p
  returning *
)
insert into consent (person_id, purpose, channel, given, since, event_id)
  select person_id, purpose, channel, true, at, event_id from event;
insert into claim (ballot_id, person_id, kind, source, recorder, confidence)
  select 1, p, 'voted', 'link', 'member', 0.9 from generate_series(1, 40000) as p;
insert into claim_status (ballot_id, person_id, claim_id, kind, source)
  select ballot_id, person_id, claim_id, kind, source from claim;
insert into page_view (message_id, action, nonce, agent)
  select message_id, 'confirm', sha256(('n' || message_id)::bytea), 'browser' from message;
insert into inbound_log (source, dedupe_key, subject, payload, state)
  select 'twilio_status', n::text, 's' || n, '{}', (case when n % 10 = 0 then 'new' else 'done' end)
  from generate_series(1, 40000) as n;
insert into reply (inbound_id, channel, address, sender, person_id, text, reading, rule, rule_version)
  select n, 'sms', '+4477' || n, '+447480111111', n, '1', 'voted', 'menu', '1' from generate_series(1, 20000) as n;
-- a few of what is rare so far, and may be many a moment later
insert into message (channel, address, sender_id, state) select 'sms', '+447700900' || n, 1, 'delivered' from generate_series(100, 103) as n;
insert into transactional (message_id, kind, purpose, has_secrets, concealed, asked_by)
  select message_id, 'sign_in', 'service', true, '\x00', 'ann' from message where step_id is null;
insert into message_try (message_id, attempt, provider_id, ended_by)
  select message_id, 1, 'SMtry' || message_id, 'receipt' from message where step_id = 1 order by message_id limit 4;
insert into elector (ballot_id, person_id) select b, p from generate_series(1, 4) as b cross join generate_series(1, 10000) as p;
insert into question (name, title, asks, closes_at, letter, goal_id)
  select 'q' || n, 'Visit', 'How was it?', now() + interval '10 days', chr(64 + n), n from generate_series(1, 3) as n;
insert into question_answer (question_id, name, position, label) select n, 'good', 1, 'Good' from generate_series(1, 3) as n;
insert into response (question_id, person_id, answer, source, recorder)
  select q, p, 'good', 'link', 'member' from generate_series(1, 3) as q cross join generate_series(1, 10000) as p;
insert into response_status (question_id, person_id, response_id, answer)
  select question_id, person_id, response_id, answer from response;

-- name: new_group
-- A ballot and a question that came after the last look at the tables, with $1 people who have all answered.
insert into goal (goal_id, name) overriding system value values (50, 'voted'), (51, 'answered');
insert into ballot (ballot_id, name, title, opens_at, closes_at, threshold, goal_id) overriding system value
  values (50, 'new', 'Ballot', now() - interval '10 days', now() + interval '10 days', 0.5, 50);
insert into elector (ballot_id, person_id) select 50, p from generate_series(1, $1) as p;
with voted as (
  insert into claim (ballot_id, person_id, kind, source, recorder, confidence)
    select 50, p, 'voted', 'link', 'member', 0.9 from generate_series(1, $1) as p
    returning *
)
insert into claim_status (ballot_id, person_id, claim_id, kind, source)
  select ballot_id, person_id, claim_id, kind, source from voted;
insert into question (question_id, name, title, asks, closes_at, letter, goal_id) overriding system value
  values (51, 'new', 'Visit', 'How was it?', now() + interval '10 days', 'D', 51);
insert into question_answer (question_id, name, position, label) values (51, 'good', 1, 'Good');
with given as (
  insert into response (question_id, person_id, answer, source, recorder)
    select 51, p, 'good', 'link', 'member' from generate_series(1, $1) as p
    returning *
)
insert into response_status (question_id, person_id, response_id, answer)
  select question_id, person_id, response_id, answer from given;
