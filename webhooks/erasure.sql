-- name: list_arrivals
-- Inbound items from somebody or about them, and whether they are the person's own: replies and presses are found by
-- their rows, receipts by their message or the provider's id, other items by their sender. Items from others stay the
-- others' own, even if they name or answer the person. $4 are the addresses, looked for in any text; $5 is quicker and
-- finds at least as much. Every row after $6 is searched: with millions of rows that takes seconds, and is done before
-- any lock is taken.
select item.inbound_id, item.own
from (
  select
    i.inbound_id, i.subject || ' ' || i.dedupe_key || ' ' || coalesce(i.error, '') || ' ' as around, i.payload,
    i.inbound_id = any ($1::bigint[])
      or (lower(i.subject) = any ($2::text[]) or i.payload ->> 'message_id' = any ($3::text[]))
        and not exists (
          select from reply r where r.inbound_id = i.inbound_id and r.person_id is not null and r.person_id is distinct from $7
        )
      or lower(coalesce(i.payload #>> '{form,From}', i.payload #>> '{said,from}', i.payload ->> 'sender')) = any ($8::text[])
      as own
  from inbound_log i
  where i.inbound_id > $6
) item
where item.own
  or cardinality($5::text[]) > 0
    and squeezed(item.around || item.payload::text) like any ($5)
    and names_address(item.around || chr(31) || jsonb_words(item.payload), $4::text[]);

-- name: list_mails
-- A page of mails, up to the length that is parsed: their text is decoded before it is searched.
select inbound_id, substring(raw for $2) as raw from inbound_mail where inbound_id > $1 order by inbound_id limit $3;

-- name: list_long_mails
-- The rest of mails that are longer than that, searched as bytes.
select inbound_id
from inbound_mail
where inbound_id > $2 and octet_length(raw) > $3 and squeezed(encode(raw, 'escape')) like any ($1::text[]);

-- name: list_naming
-- Which of these texts of mails, with the ids of their rows, name an address; $4 is as above.
select distinct texts.inbound_id, texts.by_writer
from unnest($1::bigint[], $2::boolean[], $3::text[]) as texts (inbound_id, by_writer, said)
where squeezed(texts.said) like any ($5::text[]) and names_address(texts.said, $4::text[]);

-- name: redact_items
-- Removes the address from items that others sent. The row stays, and is processed if it has not been yet.
update inbound_log
set payload = jsonb_without(payload, $2::text[]), subject = without_addresses(subject, $2::text[]),
  error = without_addresses(error, $2::text[]),
  dedupe_key = case when names_address(dedupe_key, $2::text[]) then 'erased:' || encode(sha256(convert_to(dedupe_key, 'UTF8')), 'hex')
    else dedupe_key end
where inbound_id = any ($1::bigint[]);

-- name: redact_mails
-- The same for mails that were set aside; readable mails have been processed already.
update inbound_mail m
set raw = decode(without_addresses(encode(m.raw, 'escape'), $2::text[]), 'escape')
from inbound_log i
where i.inbound_id = m.inbound_id and m.inbound_id = any ($1::bigint[]) and i.state <> 'done';

-- name: delete_read_mails
-- Deletes processed mails: their content is in the replies they became.
delete from inbound_mail m
using inbound_log i
where i.inbound_id = m.inbound_id and m.inbound_id = any ($1::bigint[]) and i.state = 'done';

-- name: delete_malformed
-- Deletes unreadable bodies in which an address stands in any form.
delete from inbound_malformed where squeezed(encode(body, 'escape')) like any ($1::text[]);

-- name: list_events
-- Webhook events about somebody, after a sequence number.
select seq from webhook_event
where seq > $4
  and ((data ->> 'person_id')::bigint = $1 or data -> 'person_ids' @> to_jsonb($1::bigint)
    or data ->> 'message_id' = any ($2::text[]) or data ->> 'reply_id' = any ($3::text[]));

-- name: rename_in_events
-- Replaces their number, also in events that have not been delivered yet, and removes a list's words about them.
update webhook_event
set data = data
  || case when data ->> 'member_id' = $2 then jsonb_build_object('member_id', $3::text) else '{}' end
  || case when data -> 'member_ids' ? $2 then jsonb_build_object(
      'member_ids', (data -> 'member_ids') - $2 || to_jsonb(array[$3::text])
    ) else '{}' end
  || case when type like 'suppression.%' or type like 'opt\_out.%' then jsonb_build_object(
      'source', impersonal_source(data ->> 'source')
    ) else '{}' end
where seq = any ($1::bigint[]);

-- name: list_deliveries
-- Deliveries whose answers may repeat the event.
select delivery_id from webhook_delivery
where delivery_id > $4 and (answer <> '' or problem is not null)
  and (seq = any ($1::bigint[]) or cardinality($3::text[]) > 0
    and squeezed(answer || ' ' || coalesce(problem, '')) like any ($3::text[])
    and (names_address(answer, $2::text[]) or names_address(problem, $2::text[])));

-- name: empty_deliveries
-- Empties the answers of receivers; that an event was delivered, and with what result, is kept.
update webhook_delivery set answer = '', problem = case when problem is not null then 'erased' end
where delivery_id = any ($1::bigint[]);

-- name: empty_page_views
-- Empties the program that viewed a page, and the button that was pressed; the row is kept, because page views are
-- counted.
update page_view set signals = '{}', answer = null, earlier = null where message_id = any ($1::bigint[]);

-- name: delete_sent_once
-- Deletes the records of one-time texts to an address, which hold the address.
delete from sent_once t using unnest($1::text[], $2::text[]) as a (channel, address)
where t.channel = a.channel and t.address = a.address;
