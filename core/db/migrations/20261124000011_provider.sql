-- migrate:up

-- Who has a message: written before it goes on the wire, so that whatever happens to its worker, the provider that may
-- have it is the one that is asked. Of texts also the number they left from, where the provider has one of its own.
alter table message add column provider text;
alter table message add column sent_from text;

-- Until now there was one provider a channel.
update message set provider = case channel when 'sms' then 'twilio' else 'smtp' end
where state in ('sending', 'ambiguous');

-- migrate:down
