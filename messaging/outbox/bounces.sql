-- name: note_bounce
-- Records a soft bounce, once for each message, in the outbox or the archive. The address is the message's own, never
-- one that a report names.
insert into soft_bounce (message_id, address, code, at)
select $1, sent_to.address, $2, $3
from (
  select address from message where message_id = $1 and channel = 'email'
  union all
  select address from message_archive where message_id = $1 and channel = 'email'
) sent_to
where sent_to.address is not null
limit 1
on conflict (message_id) do nothing
returning address;

-- name: has_enough_bounces
-- Whether an address has bounced several messages over days: a mail server that fails for one evening proves nothing.
select count(*) >= $4 and max(at) - min(at) >= $5::interval
from soft_bounce
where address = $1 and discounted_at is null and at > $2 and at <= $3;

-- name: discount_bounces
-- Records that addresses work again: their earlier bounces no longer count.
update soft_bounce b
set discounted_at = $2
from message m
where m.message_id = any ($1::bigint[]) and m.channel = 'email' and b.address = m.address and b.discounted_at is null
  and b.at < $2;

-- name: delete_old_bounces
-- Deletes bounces too old to count.
delete from soft_bounce where at < $1;

-- name: find_address
-- The address of a message in the outbox or the archive.
select address from message where message_id = $1
union all
select address from message_archive where message_id = $1
limit 1;
