-- name: empty_items
-- Empties the person's rows. The row and its key stay, so that a repetition is recognised. Rows not yet processed will
-- no longer be.
update inbound_log
set payload = '{}', subject = 'erased', error = null, state = 'done', processed_at = coalesce(processed_at, now()),
  dedupe_key = case when names_address(dedupe_key, $2::text[]) then 'erased:' || encode(sha256(convert_to(dedupe_key, 'UTF8')), 'hex')
    else dedupe_key end
where inbound_id = any ($1::bigint[]);

-- name: delete_mails
-- Deletes the whole mails of these rows.
delete from inbound_mail where inbound_id = any ($1::bigint[]);

-- name: note_erased
-- Stores digests of the subjects under which the inbound log files items about their messages: items that come in about
-- them from now on are emptied.
insert into erased_subject (digest, message_id, erased_at)
select erased_subject_of(subject), message_id, $3 from unnest($1::text[], $2::bigint[]) as e (subject, message_id)
on conflict (digest) do update set erased_at = excluded.erased_at;

-- name: list_late_items
-- The rows, of some processed ones, that are about a message of an erased person. Replies are left out: people read
-- those.
select i.inbound_id
from inbound_log i
where i.inbound_id = any ($1::bigint[]) and i.state <> 'new' and i.payload <> '{}'
  and is_of_erased(i.subject, i.payload ->> 'message_id')
  and not exists (select from reply r where r.inbound_id = i.inbound_id);

-- name: list_all_late_items
-- The late items among all rows: only ones that an older worker has processed.
select i.inbound_id
from inbound_log i
where exists (select from erased_subject) and i.state <> 'new' and i.payload <> '{}'
  and is_of_erased(i.subject, i.payload ->> 'message_id')
  and not exists (select from reply r where r.inbound_id = i.inbound_id);

-- name: list_erased_messages
-- Messages of people erased recently, except those that retention has deleted since.
select e.message_id
from erased_subject e
where exists (select from message m where m.message_id = e.message_id)
  or exists (select from message_archive m where m.message_id = e.message_id)
order by e.message_id;

-- name: delete_old_notes
-- Deletes the digests of messages for which no receipts come any more.
delete from erased_subject where erased_at < $1;
