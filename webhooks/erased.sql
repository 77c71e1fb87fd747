-- name: blank
-- What is theirs. The row and its key stay, so that the same thing said again is known. What has not been processed is not
-- any more.
update inbox
set payload = '{}', subject = 'erased', error = null, state = 'done', processed_at = coalesce(processed_at, now()),
  dedupe_key = case when dedupe_key ~* $2 then 'erased:' || encode(sha256(convert_to(dedupe_key, 'UTF8')), 'hex')
    else dedupe_key end
where inbox_id = any ($1::bigint[]);

-- name: drop_mails
-- Whole mails that were theirs.
delete from inbox_mail where inbox_id = any ($1::bigint[]);

-- name: note_erased
-- What the inbox calls what was written to them, as digests: what comes in about it from now on leaves nothing behind.
insert into erased_subject (digest, message_id, erased_at)
select erased_subject_of(subject), message_id, $3 from unnest($1::text[], $2::bigint[]) as e (subject, message_id)
on conflict (digest) do update set erased_at = excluded.erased_at;

-- name: late
-- Of some rows that have been dealt with, those about a message whose person is erased. Replies are read by people.
select i.inbox_id
from inbox i
where i.inbox_id = any ($1::bigint[]) and i.state <> 'new' and i.payload <> '{}'
  and is_of_erased(i.subject, i.payload ->> 'message_id')
  and not exists (select from reply r where r.inbox_id = i.inbox_id);

-- name: all_late
-- The same of all rows: none but those that an older worker has dealt with.
select i.inbox_id
from inbox i
where exists (select from erased_subject) and i.state <> 'new' and i.payload <> '{}'
  and is_of_erased(i.subject, i.payload ->> 'message_id')
  and not exists (select from reply r where r.inbox_id = i.inbox_id);

-- name: erased_messages
-- Messages of whoever was erased not long ago, but for those that went with their year since.
select e.message_id
from erased_subject e
where exists (select from message m where m.message_id = e.message_id)
  or exists (select from message_archive m where m.message_id = e.message_id)
order by e.message_id;

-- name: forget_erased
-- No receipts come any more.
delete from erased_subject where erased_at < $1;
