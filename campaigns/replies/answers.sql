-- name: message
-- The recipient, address and sender of a message, and what it asked about.
select m.message_id, m.person_id, m.channel, m.address, s.address as sender, to_jsonb(subject) as subject
from message m
join campaign c using (campaign_id)
join subject using (subject_kind, subject_id)
left join sender s using (sender_id)
where m.message_id = $1;

-- name: archived_message
-- The same where the message has been archived: for a reply that staff read late, or a link of an old message.
select m.message_id, m.person_id, m.channel, m.address, s.address as sender, to_jsonb(subject) as subject
from message_archive m
join campaign c using (campaign_id)
join subject using (subject_kind, subject_id)
left join sender s using (sender_id)
where m.message_id = $1;

-- name: still_theirs
-- Whether the address a message went to is still the person's; if not, a stranger may read it.
select exists (select from address where person_id = $1 and channel = $2 and address = $3);

-- name: stopped_by_link
-- Whether an address is opted out because this very person did so by a link: only that can be undone by a link. A text
-- of STOP, or an opt-out by somebody who shares the phone, cannot.
select exists (
  select from suppression s
  join suppression_event e using (event_id)
  where s.channel = $1 and s.address = $2 and s.reason = 'opted_out'
    and e.source in ('link', 'unsubscribe') and person_of_message(e.message_id) = $3
);

-- name: replied_stop_since
-- Whether a STOP came from that address after this time: replies can arrive late, and in another order.
select exists (
  select from reply where channel = $1 and address = $2 and reading = 'opt_out' and received_at > $3
);

-- name: stopped_since
-- Whether an opt-out in force was made after this time. Opt-outs of the sources in $4 are left out: they are dated by
-- when we processed them, not by when they were made.
select exists (
  select from suppression s
  join suppression_event e using (event_id)
  where s.channel = $1 and s.address = $2 and s.reason = 'opted_out' and s.since > $3 and e.source <> all ($4::text[])
);

-- name: holders
-- The people who have an address; two are enough to know that it is shared.
select distinct person_id from address where channel = $1 and address = $2 limit 2;

-- name: add_reply
-- Stores a reply and its reading. Processing the inbox row again finds it.
insert into reply (
  inbound_id, channel, address, sender, person_id, message_id, text, reading, rule, rule_version,
  answer_kind, answer_id, why_open, state, received_at
)
values (
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, case when $12::bigint is not null then $11::text end, $12, $13::text,
  case when $13 is null then 'closed' else 'open' end, $14
)
returning reply_id;

-- name: replied
-- Whether this inbox row has been answered already.
select reply_id, answer_id, why_open from reply where inbound_id = $1;

-- name: link_press
-- The latest press on this message's page that is open for staff.
select reply_id, answer_id, received_at
from reply
where message_id = $1 and channel = 'link' and state = 'open'
order by reply_id desc
limit 1;

-- name: close_press
-- Closes a press that the member has undone.
update reply set state = 'closed', closed_at = $2, closed_by = 'member' where reply_id = $1;

-- name: record_audit
-- Records that messages to an address were resumed.
insert into audit (actor, action, subject, detail) values ($1, 'messages.resumed', $2, $3);
