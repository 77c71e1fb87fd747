-- migrate:up

-- Behind a member's link: whom it was made for, what they were asked, and what they have said. All a page needs in one
-- look. A link that was revoked is found no more than one that never was: the same query, the same time, the same page.
create view member_asked as
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
    where x.reason = 'opted_out'
      and (x.channel, x.address) in ((m.channel, m.address), ('person', m.person_id::text))
  ) as stopped,
  exists (
    select from suppression x
    join suppression_event e using (event_id)
    join message said on said.message_id = e.message_id
    where x.reason = 'opted_out' and e.source in ('link', 'unsubscribe') and said.person_id = m.person_id
      and (x.channel, x.address) in ((m.channel, m.address), ('person', m.person_id::text))
  ) as stopped_by_link
from link l
join message m using (message_id)
join campaign c using (campaign_id)
join ballot b using (ballot_id)
join person p using (person_id)
left join standing s on s.ballot_id = b.ballot_id and s.person_id = m.person_id
where l.revoked_at is null;

-- migrate:down
