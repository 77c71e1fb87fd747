-- name: find
-- All a page needs, in one look. A link that was revoked, or whose ballot closed long ago, is found no more than one that
-- never was: the same query, the same time, the same page.
select
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
where l.digest = $1 and l.action = $2 and l.revoked_at is null and b.closes_at > $3::timestamptz - $4::interval;

-- name: keep_press
-- A press is an answer like any other: it is kept as it came, and done in the same transaction.
insert into inbox (source, dedupe_key, subject, payload, received_at, next_try_at, state, processed_at)
values ($1, $2, $3, $4, $5, $5, 'done', $5)
on conflict (source, dedupe_key) do update set source = excluded.source
returning inbox_id;
