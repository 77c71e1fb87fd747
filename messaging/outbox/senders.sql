-- name: refused_senders
-- Senders whose messages of these steps are refused for what *they* are, not for who gets them, above the threshold.
with judged as (
  select m.sender_id, m.channel,
    count(*) filter (where m.reason = any ($2::text[]) and m.changed_at >= s.watched_from) as refused,
    count(*) filter (where m.state in ('accepted', 'sent', 'delivered', 'read', 'undelivered', 'bounced', 'failed')) as tried,
    (array_agg(distinct m.reason) filter (where m.reason = any ($2::text[]))) as reasons
  from message m
  join sender s using (sender_id)
  where m.step_id = any ($1::bigint[]) and m.state not in ('queued', 'sending', 'ambiguous', 'skipped')
    and s.paused_reason is null
  group by m.sender_id, m.channel
)
select j.sender_id, j.refused, j.tried, j.reasons, j.channel, s.address
from judged j
join sender s using (sender_id)
where j.refused >= $3 and j.refused >= $4::float8 * j.tried;

-- name: pause
-- Once: of two workers that notice at the same time, one raises the alert.
update sender set paused_reason = $2 where sender_id = $1 and paused_reason is null returning sender_id;

-- name: resume
-- Mended: what it was refused for says nothing about the messages, so they are tried again.
with mended as (
  update sender set paused_reason = null, watched_from = clock_timestamp() where sender_id = $1 returning sender_id
), again as (
  update message m
  set state = 'queued', reason = null, not_before = least(m.not_before, $3), wire_at = null, changed_at = now()
  from mended, step s
  where m.sender_id = mended.sender_id and m.state = 'failed' and m.reason = any ($2::text[])
    and s.step_id = m.step_id and s.state in ('running', 'paused', 'finished')
  returning m.message_id, m.step_id
), reopened as (
  update step s set state = 'running', finished_at = null
  where s.state = 'finished' and s.step_id in (select step_id from again)
), told as (
  insert into message_event (message_id, state, source, code)
  select message_id, 'queued', 'staff', 'sender_mended' from again
)
select count(*) from again;
