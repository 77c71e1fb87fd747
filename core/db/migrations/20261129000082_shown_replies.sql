-- migrate:up

-- A reply as staff see it: what it says, whose it is where that is certain, and the ballot it is about.
create view reply_shown as
select
  r.reply_id, r.received_at, r.channel, r.address, r.text, r.reading, r.rule, r.message_id, r.note, r.why_open, r.state,
  r.closed_at, r.closed_by,
  p.person_id, p.external_id, trim(p.first_name || ' ' || p.last_name) as name, u.name as unit, b.name as ballot,
  (select array_agg(a.person_id order by a.person_id) from address a
   where a.channel = r.channel and a.address = r.address) as holders
from reply r
left join person p on p.person_id = r.person_id
left join unit u on u.unit_id = p.unit_id
left join message_any m on m.message_id = r.message_id
left join campaign c on c.campaign_id = m.campaign_id
left join ballot b on b.ballot_id = c.ballot_id;

-- What was said in replies, and what was claimed, as one line each of a member's story.
create view reply_said as
select
  r.received_at as at, 'reply'::text as kind, r.message_id, r.channel as source, r.reading as word, r.text as words,
  case r.state when 'open' then r.why_open end as note,
  r.person_id, r.channel, r.address
from reply r;

create view claim_said as
select
  c.at, case when c.retracts is null then 'claim' else 'retraction' end as kind, c.message_id, c.source,
  coalesce(undone.kind, c.kind) as word, b.name as words, nullif(c.recorder, 'member') as note,
  c.person_id, c.ballot_id, undone.message_id as undone_message_id
from ballot b
join claim c on c.ballot_id = b.ballot_id
left join claim undone on undone.claim_id = c.retracts;

-- migrate:down
