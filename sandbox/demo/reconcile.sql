-- name: count_sent
-- Messages a provider accepted, for comparison with those that arrived.
select m.channel, m.address, count(*) as n
  from message m join step s using (step_id)
 where s.campaign_id = $1 and m.sent_at is not null
 group by m.channel, m.address

-- name: list_voters
-- Members with the status voted.
select person_id from claim_status where ballot_id = $1 and kind = 'voted'

-- name: list_opt_outs
-- Addresses whose holders opted out with us …
select s.channel, s.address
  from suppression s join suppression_event e using (event_id)
 where s.reason = 'opted_out' and s.channel <> 'person' and e.source <> 'twilio'

-- name: count_earlier_opt_outs
-- … and those that had opted out with the provider before, which it reports when we send (21610).
select count(*)
  from suppression s join suppression_event e using (event_id)
 where s.reason = 'opted_out' and e.source = 'twilio'

-- name: recipients_of_links
-- The recipient of the message with each confirm link.
select l.digest, m.person_id from link l join message m using (message_id) where l.action = 'confirm'

-- name: recipients_of_texts
-- The recipient of each text, for every try.
select provider_id, person_id from message where channel = 'sms' and provider_id is not null
union all
select t.provider_id, m.person_id from message_try t join message m using (message_id) where t.provider_id is not null

-- name: list_addresses
-- The holders of each address, for people who share one or have several.
select channel, address, person_id from address

-- name: count_replies
-- Inbound texts that were processed.
select count(*) from reply where channel = 'sms'
