-- migrate:up

-- As before, but whoever has only said no to marketing has not stopped messages.
create or replace view member_asked as
select
  l.digest, l.action,
  m.message_id, m.person_id, m.channel, m.address, m.sent_at,
  p.first_name, p.language,
  b.title, b.organisation, b.opens_at, b.closes_at, b.time_zone, b.last_posting_at, b.replacement_by,
  s.kind as standing,
  exists (
    select from claim c
    where c.claim_id = s.claim_id and c.source = 'link' and c.message_id = m.message_id
  ) as said_here,
  exists (
    select from suppression x
    where x.reason = 'opted_out' and x.purpose = 'all'
      and (x.channel, x.address) in ((m.channel, m.address), ('person', m.person_id::text))
  ) as stopped,
  exists (
    select from suppression x
    join suppression_event e using (event_id)
    where x.reason = 'opted_out' and x.purpose = 'all' and e.source in ('link', 'unsubscribe')
      and (x.channel, x.address) in ((m.channel, m.address), ('person', m.person_id::text))
      and person_of_message(e.message_id) = m.person_id
  ) as stopped_by_link
from link l
join message m using (message_id)
join campaign c using (campaign_id)
join ballot b using (ballot_id)
join person p using (person_id)
left join standing s on s.ballot_id = b.ballot_id and s.person_id = m.person_id
where l.revoked_at is null;

-- migrate:down
