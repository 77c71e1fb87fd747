-- name: said
-- What people said, by whatever way, in order of time: their replies and what they pressed, what was claimed of them in
-- each ballot, and what stops messages to them or does no longer.
with addresses as (
  select * from unnest($2::text[], $3::text[]) as a (channel, address)
)
select
  r.received_at as at, 'reply' as kind, r.message_id, r.channel as source, r.reading as word, r.text as words,
  case r.state when 'open' then r.why_open end as note
from reply r
where r.person_id = any ($1::bigint[]) or r.message_id = any ($4::bigint[])
  or (r.channel, r.address) in (select channel, address from addresses)
union all
select
  c.at, case when c.retracts is null then 'claim' else 'retraction' end, c.message_id, c.source, coalesce(undone.kind, c.kind),
  b.name, nullif(c.recorder, 'member')
from ballot b
join claim c on c.ballot_id = b.ballot_id and c.person_id = any ($1)
left join claim undone on undone.claim_id = c.retracts
union all
select e.at, e.action, e.message_id, e.source, e.reason, e.channel, e.purpose
from suppression_event e
where (e.channel, e.address) in (
  select channel, address from addresses union all select 'person', person_id::text from unnest($1::bigint[]) as p (person_id)
)
order by 1;

-- name: of_message
-- The same for what came of one message.
select
  r.received_at as at, 'reply' as kind, r.message_id, r.channel as source, r.reading as word, r.text as words,
  case r.state when 'open' then r.why_open end as note
from reply r
where r.message_id = $1
union all
select
  c.at, case when c.retracts is null then 'claim' else 'retraction' end, c.message_id, c.source, coalesce(undone.kind, c.kind),
  b.name, nullif(c.recorder, 'member')
from message_any m
join campaign k using (campaign_id)
join ballot b using (ballot_id)
join claim c on c.ballot_id = b.ballot_id and c.person_id = m.person_id
left join claim undone on undone.claim_id = c.retracts
where m.message_id = $1 and $1 in (c.message_id, undone.message_id)
union all
select e.at, e.action, e.message_id, e.source, e.reason, e.channel, e.purpose
from message_any m
join suppression_event e
  on (e.channel, e.address) in ((m.channel, m.address), ('person', m.person_id::text)) and e.message_id = m.message_id
where m.message_id = $1
order by 1;

-- name: addresses_of
-- Where people can be reached.
select distinct channel, address from address where person_id = any ($1::bigint[]);
