-- name: sent
-- Every message a provider took, for comparison with what arrived.
select m.channel, m.address, count(*) as n
  from message m join step s using (step_id)
 where s.campaign_id = $1 and m.sent_at is not null
 group by m.channel, m.address

-- name: voters
-- Who stands as having voted.
select person_id from standing where ballot_id = $1 and kind = 'voted'

-- name: silenced
-- Addresses whose holders asked us for silence …
select s.channel, s.address
  from suppression s join suppression_event e using (event_id)
 where s.reason = 'opted_out' and s.channel <> 'person' and e.source <> 'twilio'

-- name: silenced_before
-- … and those that had asked the provider before we came, which it says when we try (21610).
select count(*)
  from suppression s join suppression_event e using (event_id)
 where s.reason = 'opted_out' and e.source = 'twilio'

-- name: senders_of_links
-- Whose message each confirm link was in.
select l.digest, m.person_id from link l join message m using (message_id) where l.action = 'confirm'

-- name: receivers_of_texts
-- Whose message each text was, on whichever try.
select provider_id, person_id from message where channel = 'sms' and provider_id is not null
union all
select t.provider_id, m.person_id from message_try t join message m using (message_id) where t.provider_id is not null

-- name: holders
-- Whose addresses they are, for those who share one or have several.
select channel, address, person_id from address

-- name: replies
-- Every text that came in and was read.
select count(*) from reply where channel = 'sms'
