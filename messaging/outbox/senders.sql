-- name: use_sender
-- Adds a sender or updates it. A number or mailbox is one sender, shared by all campaigns; a campaign that names a
-- rate sets it for all.
insert into sender (channel, address, display_name, pace)
values ($1, $2, $3, $4::float8::numeric)
on conflict (channel, address) do update
  set display_name = coalesce(nullif(excluded.display_name, ''), sender.display_name),
      pace = coalesce(excluded.pace, sender.pace)
returning sender_id;

-- name: find_sender
-- The first of these addresses that is a sender.
select sender_id from sender
where channel = $1 and address = any ($2::text[])
order by array_position($2::text[], address)
limit 1;

-- name: list_refused
-- The senders, of the given ones, with more recent refusals of the *sender* (not of the recipient) than the threshold,
-- in the SMTP session or in a bounce. Recent: since staff last resumed it, within the last $5 seconds, and within the
-- last $6 tries, so that a sender that sent well for hours stops as soon as a new sender would, and the query costs the
-- same after any amount of sending.
with watched as (
  select f.sender_id, f.channel, f.address,
    greatest(
      f.watched_from, now() - $5::float8 * interval '1 second',
      (select lately.at
       from (
         select c.at, sum(c.sent) over (order by c.at desc) as so_far
         from message_count c
         where c.sender_id = f.sender_id and c.sent <> 0 and c.at > now() - $5::float8 * interval '1 second'
       ) as lately
       where lately.so_far >= $6
       order by lately.at desc
       limit 1)
    ) as since
  from sender f
  where f.sender_id = any ($1::bigint[]) and f.paused_reason is null
), refused as (
  select w.sender_id, w.channel, w.address, w.since, sum(r.n)::int as refused,
    array_agg(r.reason order by r.n desc, r.reason) as reasons
  from watched w
  cross join lateral (
    select x.reason, count(*) as n
    from message_exception x
    where x.sender_id = w.sender_id and x.state in ('failed', 'undelivered', 'bounced') and x.changed_at >= w.since
      and x.reason = any ($2::text[])
    group by x.reason
  ) as r
  group by w.sender_id, w.channel, w.address, w.since
  having sum(r.n) >= $3
)
select r.sender_id, r.channel, r.address, r.refused, r.refused + taken.n as tried, r.reasons
from refused r
cross join lateral (
  select coalesce(sum(c.sent), 0)::int as n
  from message_count c
  where c.sender_id = r.sender_id and c.sent <> 0 and c.at >= date_trunc('second', r.since)
    and not (c.state in ('failed', 'undelivered', 'bounced') and coalesce(c.reason, '') = any ($2))
) as taken
where r.refused >= $4::float8 * (r.refused + taken.n);

-- name: list_unknown
-- Senders with too many messages of unknown outcome, and senders with an open alert about it. Counts only messages that
-- are unknown now: they are settled within a minute once the provider answers again. Messages left by a lost worker do
-- not count, because they say nothing about the provider.
select f.sender_id, f.address, coalesce(d.unknown, 0) as unknown, coalesce(d.unknown, 0) >= $1 as many,
  a.alert_id is not null as alerted
from sender f
left join (
  select x.sender_id, count(*)::int as unknown
  from message_exception x
  where x.state = 'ambiguous' and x.reason = 'no_answer'
  group by x.sender_id
) as d using (sender_id)
left join alert a on a.resolved_at is null and a.key = 'unknown:' || f.sender_id
where d.unknown >= $1 or a.alert_id is not null;

-- name: pause_sender
-- Pauses a sender and returns a row only the first time: if two workers notice at the same time, one raises the alert.
update sender set paused_reason = $2 where sender_id = $1 and paused_reason is null returning sender_id;

-- name: resume_sender
-- Resumes a sender. Its refusals said nothing about the messages, so these are queued again, unless their deadline
-- has passed, their campaign was cancelled, or the page they open is closed. A finished step opens again, as paused if
-- its campaign is paused.
with mended as (
  update sender set paused_reason = null, watched_from = clock_timestamp() where sender_id = $1 returning sender_id, address
), refused as materialized (
  select m.message_id, m.attempt, m.provider_id, m.reason
  from mended
  join message_exception x on x.sender_id = mended.sender_id and x.state in ('failed', 'undelivered', 'bounced')
  join message m on m.message_id = x.message_id
  left join step s on s.step_id = m.step_id
  left join transactional t on t.message_id = m.message_id and m.step_id is null
  where m.state in ('failed', 'undelivered', 'bounced') and m.reason = any ($2::text[])
    and (s.state in ('running', 'paused') or s.state = 'finished' and s.reopens_as is not null or not t.has_secrets)
    and coalesce(coalesce(message_deadline(s.send_before, s.dated, m.date_at), t.send_before) > $3, true)
  for no key update of m
), first_tries as materialized (
  -- what only the columns say of their first try, before these are of the next
  select record_first_tries(array(select message_id from refused)) where exists (select from refused)
), ended as (
  insert into message_try (message_id, attempt, provider_id, code, ended_by)
  select message_id, attempt, provider_id, reason, 'staff' from refused where provider_id is not null
), again as (
  update message m
  set state = 'queued', reason = null, not_before = least(m.not_before, $3), attempt = m.attempt + 1,
      provider_id = null, wire_at = null, changed_at = now()
  from refused r
  cross join (select count(*) from first_tries) as recorded_before
  where m.message_id = r.message_id
  returning m.message_id, m.step_id
), reopened as (
  update step s set state = s.reopens_as, finished_at = null
  where s.state = 'finished' and s.step_id in (select step_id from again)
), new_events as (
  insert into message_event (message_id, state, source, code)
  select message_id, 'queued', 'staff', 'sender_mended' from again
)
select address, (select count(*) from again) as messages from mended;

-- name: find_by_address
-- A sender by its number or mailbox.
select sender_id, channel, paused_reason from sender where address = $1;

-- name: list_paused
-- Paused senders, to name in the error when a sender does not exist.
select address, channel, paused_reason from sender where paused_reason is not null order by address;
