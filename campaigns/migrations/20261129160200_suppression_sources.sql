-- migrate:up

-- Where a suppression comes from, of somebody who is being erased. Lists say it in words of their own, which may name the
-- person ("letter from Ann Lee"), or by the name of their file; what Muster itself writes down stays.
create function impersonal_source(source text) returns text language sql immutable parallel safe as $$
  select case
    when source in (
      'link', 'unsubscribe', 'preferences', 'sms_reply', 'email_reply', 'staff', 'twilio', 'vonage', 'smtp', 'bounce',
      'complaint', 'sendgrid', 'mailgun', 'postmark', 'ses', 'before erasure'
    ) then source
    else 'erased'
  end
$$;
grant execute on function impersonal_source to public;

-- As before, and the sources of suppressions.
create or replace function empty_ledgers(
  who       bigint,   -- the person; null for somebody known by an address alone
  number    text,     -- their membership number; empty without a member
  channels  text[],
  addresses text[],   -- that are theirs alone, by channel
  messages  bigint[], -- that were sent to them
  pattern   text      -- finds their addresses in any text
) returns void language plpgsql set search_path = public, pg_temp as $$
begin
  perform set_config('muster.erasing', 'on', true);

  -- The audit speaks of people by their id and of opt-outs by their place in the ledger. It used to name the membership
  -- number, and an address by its mask, which others have too: which row is meant, the ledger's own moment says.
  update audit a set subject = 'erased', detail = '{}'
  from suppression_event e
  join unnest(channels, addresses) as own (channel, address) using (channel, address)
  where e.action = 'lift' and a.at = e.at and a.action = 'messages.resumed' and a.subject like e.channel || ' %';
  update audit set subject = 'person ' || who, detail = '{}'
  where subject = number and number <> ''
    and action in ('preferences.changed', 'people.left', 'people.came_back', 'people.returned');
  update audit set detail = '{}' where subject = 'person ' || who and detail <> '{}';
  update audit
  set subject = regexp_replace(subject, pattern, 'erased', 'gi'), detail = jsonb_without(detail, pattern)
  where subject ~* pattern or jsonb_words(detail) ~* pattern;

  update suppression_event e set address = 'erased', message_id = null, source = impersonal_source(e.source)
  from unnest(channels, addresses) as a (channel, address)
  where e.channel = a.channel and e.address = a.address;
  update suppression_event e set source = impersonal_source(e.source)
  where e.channel = 'person' and e.address = who::text and e.source <> impersonal_source(e.source);

  update consent_event set source = 'erased', wording = '', message_id = null
  where person_id = who and (source, wording) is distinct from ('erased', '');

  update claim c set recorder = 'erased'
  from ballot b
  where c.ballot_id = b.ballot_id and c.person_id = who and (c.recorder = number or c.recorder ~* pattern);

  update message_event
  set code = case when code !~* pattern and code !~ '@|\d{7}' then code end, detail = impersonal_detail(detail)
  where message_id = any (messages)
    and (detail is distinct from impersonal_detail(detail) or code ~* pattern or code ~ '@|\d{7}');
  update message_event_archive
  set code = case when code !~* pattern and code !~ '@|\d{7}' then code end, detail = impersonal_detail(detail)
  where message_id = any (messages)
    and (detail is distinct from impersonal_detail(detail) or code ~* pattern or code ~ '@|\d{7}');

  perform set_config('muster.erasing', 'off', true);
end $$;

-- migrate:down
