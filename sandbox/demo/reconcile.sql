-- name: count_sent
-- Messages a provider accepted, for comparison with those that arrived.
select channel, address, count(*) as n from message where sent_at is not null group by channel, address;

-- name: list_opt_outs
-- Addresses whose holders opted out with us …
select s.channel, s.address
  from suppression s join suppression_event e using (event_id)
 where s.reason = 'opted_out' and s.channel <> 'person' and e.source <> 'twilio';

-- name: count_earlier_opt_outs
-- … and addresses that had opted out with the provider before, which it reports when we send (21610).
select count(*)
  from suppression s join suppression_event e using (event_id)
 where s.reason = 'opted_out' and e.source = 'twilio';

-- name: list_recipients_of_links
-- The text with each confirm link: its recipient, and its subject.
select l.digest, m.person_id, c.subject_id
  from link l join message m using (message_id) join campaign c on c.campaign_id = m.campaign_id
 where l.action = 'confirm';

-- name: list_recipients_of_emails
-- Each email of a campaign, which the token in its link names: its recipient, and its subject.
select m.message_id, m.person_id, c.subject_id
  from message m join campaign c on c.campaign_id = m.campaign_id
 where m.channel = 'email';

-- name: list_recipients_of_texts
-- Each text, for every try: its recipient and its subject, which is null for a text of no campaign.
select t.provider_id, m.person_id, c.subject_id
  from (
    select provider_id, message_id from message where channel = 'sms' and provider_id is not null
    union all
    select provider_id, message_id from message_try where provider_id is not null
  ) t
  join message m using (message_id)
  left join campaign c on c.campaign_id = m.campaign_id;

-- name: list_addresses
-- The holders of each address, for people who share one or have several.
select channel, address, person_id from address;

-- name: count_replies
-- Inbound texts that were processed.
select count(*) from reply where channel = 'sms';
