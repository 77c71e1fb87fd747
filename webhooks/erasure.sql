-- name: arrivals
-- What came in from somebody or about them: replies and presses by their rows, receipts by their message or their
-- provider's id, anything by an address in it. $4 finds an address in any text; $5 is quicker and finds no
-- less. Every row after $6 is looked at: where millions came in that takes seconds, and is done before anybody has to wait.
select i.inbox_id
from inbox i
where i.inbox_id > $6
  and (
    i.inbox_id = any ($1::bigint[])
    or i.subject = any ($2::text[])
    or i.payload ->> 'message_id' = any ($3::text[])
    or cardinality($5::text[]) > 0
      and lower(i.subject || ' ' || i.dedupe_key || ' ' || coalesce(i.error, '') || ' ' || i.payload::text) like any ($5)
      and (i.subject || ' ' || i.dedupe_key || ' ' || coalesce(i.error, '') || ' ' || i.payload::text) ~* $4
  );

-- name: last_arrival
-- How far the inbox reaches, and what others were told.
select
  coalesce((select max(inbox_id) from inbox), 0) as inbox_id,
  coalesce((select max(seq) from webhook_event), 0) as seq,
  coalesce((select max(delivery_id) from webhook_delivery), 0) as delivery_id;

-- name: mails
-- Mails that have been read and name one of the addresses, whoever wrote them. As bytes: a mail has any encoding.
select m.inbox_id
from inbox_mail m
join inbox i using (inbox_id)
where i.state = 'done' and m.inbox_id > $2 and lower(encode(m.raw, 'escape')) like any ($1::text[]);

-- name: blank
-- The row and its key stay, so that the same thing said again is known. What has not been processed is not any more.
update inbox
set payload = '{}', subject = 'erased', error = null, state = 'done', processed_at = coalesce(processed_at, now()),
  dedupe_key = case when dedupe_key ~* $2 then 'erased:' || encode(sha256(convert_to(dedupe_key, 'UTF8')), 'hex')
    else dedupe_key end
where inbox_id = any ($1::bigint[]);

-- name: drop_mails
delete from inbox_mail where inbox_id = any ($1::bigint[]);

-- name: drop_malformed
-- Bodies that nobody could read, in which an address stands in one way or another.
delete from inbox_malformed where lower(encode(body, 'escape')) like any ($1::text[]);

-- name: told
-- Events that others are told of somebody, after a place.
select seq from webhook_event
where seq > $4
  and ((data ->> 'person_id')::bigint = $1 or data -> 'person_ids' @> to_jsonb($1::bigint)
    or data ->> 'message_id' = any ($2::text[]) or data ->> 'reply_id' = any ($3::text[]));

-- name: rename
-- Their number is another one from now on, also in what has not been told yet.
update webhook_event
set data = data
  || case when data ->> 'member_id' = $2 then jsonb_build_object('member_id', $3::text) else '{}' end
  || case when data -> 'member_ids' ? $2 then jsonb_build_object(
      'member_ids', (data -> 'member_ids') - $2 || to_jsonb(array[$3::text])
    ) else '{}' end
where seq = any ($1::bigint[]);

-- name: deliveries
-- Receivers may have said back what they were told.
select delivery_id from webhook_delivery
where delivery_id > $4 and (answer <> '' or problem is not null)
  and (seq = any ($1::bigint[]) or cardinality($3::text[]) > 0 and lower(answer || coalesce(problem, '')) like any ($3) and (answer || coalesce(problem, '')) ~* $2);

-- name: blank_deliveries
update webhook_delivery set answer = '', problem = case when problem is not null then 'erased' end
where delivery_id = any ($1::bigint[]);

-- name: blank_looks
-- That somebody looked stays, for it is counted; with what, and what they pressed, does not.
update link_visit set signals = '{}', answer = null, asked = null where message_id = any ($1::bigint[]);

-- name: drop_told_once
delete from told_once t using unnest($1::text[], $2::text[]) as a (channel, address)
where t.channel = a.channel and t.address = a.address;

-- name: receipts
-- What providers have said of messages, by message or by their own id, and was done; replies are read by people.
select i.inbox_id from inbox i
where i.subject = any ($1::text[]) and i.state = 'done' and i.payload <> '{}'
  and not exists (select from reply r where r.inbox_id = i.inbox_id);
