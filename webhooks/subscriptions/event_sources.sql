-- name: list_messages
-- State changes of messages. States without an event (queued, sending, unknown) are filtered out here.
select
  e.event_id as place, e.at, e.state::text as state, e.code as reason, e.message_id as ref, e.message_id, c.name as campaign,
  s.position as step, m.person_id, p.external_id as member_id, m.channel
from message_event e
join message m using (message_id)
join step s using (step_id)
left join campaign c on c.campaign_id = m.campaign_id
left join person p on p.person_id = m.person_id
where e.event_id > $1 and e.event_id <= $2 and e.state = any ($3::text[]::message_state[])
order by e.event_id;

-- name: list_claims
-- Claims, in the order of the turnout feed, with each member's current status.
select
  t.seq as place, c.at, b.name as ballot, t.seq as change, c.claim_id, c.person_id, p.external_id as member_id, c.kind,
  c.source, c.confidence, c.message_id, c.retracts, s.kind as status
from turnout_change t
join claim c using (claim_id)
join ballot b on b.ballot_id = c.ballot_id
join person p on p.person_id = c.person_id
left join claim_status s on s.ballot_id = c.ballot_id and s.person_id = c.person_id
where t.seq > $1 and t.seq <= $2
order by t.seq;

-- name: list_responses
-- Answers to questions, with each person's present answer.
select
  r.response_id as place, r.at, r.response_id as ref, q.name as question, r.response_id, r.person_id,
  p.external_id as member_id, coalesce(r.answer, undone.answer) as answer, coalesce(meant.low, false) as low, r.source,
  c.name as campaign, r.message_id, r.retracts, s.answer as present
from response r
join question q using (question_id)
join person p on p.person_id = r.person_id
left join response undone on undone.response_id = r.retracts
left join question_answer meant
  on meant.question_id = r.question_id and meant.name = coalesce(r.answer, undone.answer)
left join campaign c on c.campaign_id = r.campaign_id
left join response_status s on s.question_id = r.question_id and s.person_id = r.person_id
where r.response_id > $1 and r.response_id <= $2
order by r.response_id;

-- name: list_suppressions
-- Opt-outs and the like, with everybody who has that address.
select
  e.event_id as place, e.at, e.event_id as ref, e.channel, e.purpose, e.action, e.reason, e.source, e.message_id,
  coalesce(h.person_ids, '{}') as person_ids, coalesce(h.member_ids, '{}') as member_ids
from suppression_event e
cross join lateral (
  select
    array_agg(p.person_id order by p.person_id) as person_ids, array_agg(p.external_id order by p.person_id) as member_ids
  from (
    select a.person_id from address a where a.channel = e.channel and a.address = e.address
    union
    select case e.channel when 'person' then e.address::bigint end
  ) as holder
  join person p on p.person_id = holder.person_id
) as h
where e.event_id > $1 and e.event_id <= $2
order by e.event_id;

-- name: list_replies
-- Replies from members.
select
  r.reply_id as place, r.received_at as at, r.reply_id as ref, r.reply_id, r.channel, r.person_id,
  p.external_id as member_id, r.message_id, r.reading, nullif(r.why_open, 'asked_back') as why_open
from reply r
left join person p using (person_id)
where r.reply_id > $1 and r.reply_id <= $2
order by r.reply_id;

-- name: list_campaign_actions
-- Actions of staff, or of Muster itself, on campaigns.
select
  a.audit_id as place, a.at, a.action, a.actor as by, c.name as campaign, subject.subject_kind, subject.name as subject,
  nullif(a.detail ->> 'reason', '') as why
from audit_shown a
join campaign c on c.name = substr(a.subject, length('campaign ') + 1)
join subject using (subject_kind, subject_id)
where a.audit_id > $1 and a.audit_id <= $2 and a.subject like 'campaign %'
order by a.audit_id;

-- name: find_last_change
-- The last position in the turnout feed.
select coalesce(max(seq), 0) from turnout_change;
