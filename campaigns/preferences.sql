-- name: list_contact_points
-- The addresses of a message's recipient, in the order they are tried, with the strictest suppression of each, the
-- person who wanted it, and whether the recipient has agreed to marketing. If the message's address is no longer
-- theirs, a stranger may read it: then only that address is returned.
with recipient as (
  select m.person_id, m.channel, m.address,
    exists (
      select from address a where a.person_id = m.person_id and a.channel = m.channel and a.address = m.address
    ) as theirs
  from message m
  where m.message_id = $1
), place as (
  select r.person_id, a.address_id, a.channel, a.address, a.rank
  from recipient r
  join address a using (person_id)
  where r.theirs
  union all
  select person_id, 0, channel, address, 0 from recipient where not theirs
)
select
  w.address_id, w.channel, w.address,
  exists (
    select from address o where o.channel = w.channel and o.address = w.address and o.person_id <> w.person_id
  ) as shared,
  least(own.purpose, everywhere.purpose) as stopped,
  own.reason, own.by_text, own.own, everywhere.reason as stopped_everywhere,
  coalesce(agreed.given, false) as agreed,
  case when own.by_text then (
    select coalesce(m.sent_from, f.address)
    from messages_to(w.channel, w.address) m
    join sender f using (sender_id)
    where coalesce(m.sent_from, f.address) like '+%'
    order by m.sent_at desc nulls last
    limit 1
  ) end as start_to
from place w
left join lateral (
  select
    s.purpose, s.reason, e.source = any ($2::text[]) and s.channel = 'sms' as by_text,
    e.message_id is not null and person_of_message(e.message_id) = w.person_id as own
  from suppression s
  join suppression_event e using (event_id)
  where s.channel = w.channel and s.address = w.address
  order by s.purpose
  limit 1
) own on true
left join lateral (
  select s.purpose, s.reason
  from suppression s
  where s.channel = 'person' and s.address = w.person_id::text
  order by s.purpose
  limit 1
) everywhere on true
left join consent agreed
  on agreed.person_id = w.person_id and agreed.purpose = 'marketing' and agreed.channel = w.channel
order by w.channel desc, w.rank, w.address_id;

-- name: list_other_addresses
-- A person's addresses except one, and the source of the opt-out that stops them all.
select a.channel, a.address, e.source, e.message_id
from suppression s
join suppression_event e using (event_id)
join address a on a.person_id = $1::bigint and (a.channel, a.address) <> ($2, $3)
where s.channel = 'person' and s.address = $1::bigint::text and s.reason = 'opted_out';

-- name: find_person
-- The recipient of a message.
select person_id from message where message_id = $1;
