-- name: list_steps
-- The steps of a campaign, with their senders. A paused sender stops a step without changing its state. Messages by
-- dates of people each wait for their own time.
select
  s.step_id, s.position, s.template, s.state, s.launched_at, now() as now,
  case when sms.paused_reason is not null then sms.address else mail.address end as sender,
  coalesce(sms.paused_reason, mail.paused_reason) as stopped,
  s.dated is not null as dated,
  (
    select min(first.not_before)
    from unnest(s.channels) as c (channel)
    cross join lateral (
      select q.not_before from queue q
      where q.queue_id = queue_of(s.step_id, c.channel, null)
      order by q.not_before
      limit 1
    ) as first
    where s.dated is not null
  ) as next_at
from step s
left join sender sms on sms.sender_id = s.sms_sender_id and 'sms' = any (s.channels)
left join sender mail on mail.sender_id = s.email_sender_id and 'email' = any (s.channels)
where s.campaign_id = $1
order by s.position;

-- name: count_steps
-- Messages, segments and rate by the sums, which are a few rows, whatever they count. Archived messages are totals, too.
-- What is in flight is counted as queued there; count_in_flight says how many that is. For a region see count_partially.
select step_id, channel, state, reason, sum(n)::bigint as n, sum(segments)::bigint as segments,
  coalesce(sum(sent) filter (where at > now() - $2::float8 * interval '1 second'), 0)::bigint as lately
from message_count
where step_id = any ($1::bigint[])
group by step_id, channel, state, reason
having sum(n) <> 0 or sum(segments) <> 0 or sum(sent) <> 0
union all
select step_id, channel, state, reason, n, segments, 0 from step_total where step_id = any ($1::bigint[]);

-- name: count_in_flight
-- How many messages of each step and channel workers have taken.
select step_of_queue(f.queue_id) as step_id, m.channel, count(*) as n
from in_flight f
join message m on m.message_id = f.message_id and m.state = 'queued' -- a receipt may have come before the outcome
where step_of_queue(f.queue_id) = any ($1::bigint[])
group by 1, 2;

-- name: count_partially
-- The same for readers who see only a part of the organisation: sums and totals count everybody, so they are not for
-- them. For all other readers it finds nothing, and does not look.
select step_id, channel, state, reason, count(*) as n, coalesce(sum(segments), 0)::bigint as segments,
  count(*) filter (where sent_at > now() - $2::float8 * interval '1 second') as lately
from message
where (select scope_is_partial()) and step_id = any ($1::bigint[])
group by step_id, channel, state, reason
union all
select step_id, channel, state, reason, count(*), coalesce(sum(segments), 0)::bigint, 0
from message_archive
where (select scope_is_partial()) and step_id = any ($1::bigint[])
group by step_id, channel, state, reason;

-- name: compact_counts
-- Folds changes of the sums together where there are many: to seconds, those older than twenty minutes to minutes, and
-- than two days to days. Rows that another worker is folding are left out; what adds up to nothing goes.
with many as (
  select coalesce(step_id, 0) as step, coalesce(sender_id, 0) as sender, grain
  from message_count
  where grain = 0
    or grain = 1 and at < now() - interval '20 minutes'
    or grain = 2 and at < now() - interval '2 days'
  group by 1, 2, 3
  having count(*) >= $1
), chosen as materialized (
  select c.ctid as place
  from message_count c
  where (coalesce(c.step_id, 0), coalesce(c.sender_id, 0), c.grain) in (select step, sender, grain from many)
    and (
      c.grain = 0 or c.grain = 1 and c.at < now() - interval '20 minutes' or c.grain = 2 and c.at < now() - interval '2 days'
    )
  limit $2
  for update skip locked
), taken as (
  delete from message_count c using chosen where c.ctid = chosen.place returning c.*
), folded as (
  insert into message_count (step_id, sender_id, channel, state, reason, at, grain, n, sent, segments)
  select
    step_id, sender_id, channel, state, reason,
    date_trunc(case grain when 0 then 'second' when 1 then 'minute' else 'day' end, at, 'UTC'), grain + 1, sum(n), sum(sent),
    sum(segments)
  from taken
  group by 1, 2, 3, 4, 5, 6, 7
  having sum(n) <> 0 or sum(sent) <> 0 or sum(segments) <> 0
)
select count(*) from taken;

-- name: find_differences
-- Where the sums say otherwise than the messages, in one snapshot: by step, sender, channel, state and reason.
select
  step_id, sender_id, channel, state, reason, sum(n)::bigint as n, sum(sent)::bigint as sent, sum(segments)::bigint as segments
from (
  select step_id, sender_id, channel, state, reason, count(*) as n, count(sent_at) as sent, coalesce(sum(segments), 0) as segments
  from message
  group by 1, 2, 3, 4, 5
  union all
  select step_id, sender_id, channel, state, reason, -n, -sent, -segments from message_count
) as both_ways
group by 1, 2, 3, 4, 5
having sum(n) <> 0 or sum(sent) <> 0 or sum(segments) <> 0;

-- name: list_stuck
-- Running steps of which something waits by the sums, and nothing by the tables.
select s.step_id
from step s
where s.state = 'running'
  and (
    select sum(c.n) from message_count c
    where c.step_id = s.step_id and c.state in ('queued', 'sending', 'ambiguous')
  ) <> 0
  and not exists (
    select from unnest(s.channels) as c (channel) join queue q on q.queue_id = queue_of(s.step_id, c.channel, null)
  )
  and not exists (select from in_flight f where step_of_queue(f.queue_id) = s.step_id)
  and not exists (
    -- the order asks for the index by steps: messages of unknown outcome may wait for staff among 100,000 for days
    select from (
      select x.message_id
      from message_exception x
      where x.step_id = s.step_id and x.state = 'ambiguous'
      order by x.reason, x.message_id
      limit 1
    ) as first_one
  )
  and not exists (select from outbox_move);

-- name: list_recent
-- Steps that have changed lately.
select step_id from step where state <> 'planned' and (finished_at is null or finished_at > now() - interval '1 day');

-- name: mend_step
-- Adds to the sums of a step what they lack. One statement, whose snapshot has each change of a message with its sum, or
-- neither; dated long ago, so that no rate of the last seconds or hours counts it.
insert into message_count (step_id, sender_id, channel, state, reason, at, grain, n, sent, segments)
select
  step_id, sender_id, channel, state, reason, date_trunc('day', now() - interval '4 days', 'UTC'), 3, sum(n), sum(sent), sum(segments)
from (
  select step_id, sender_id, channel, state, reason, count(*) as n, count(sent_at) as sent, coalesce(sum(segments), 0) as segments
  from message
  where step_id = $1 and not exists (select from outbox_move)
  group by 1, 2, 3, 4, 5
  union all
  select step_id, sender_id, channel, state, reason, -n, -sent, -segments
  from message_count
  where step_id = $1 and not exists (select from outbox_move)
) as both_ways
group by 1, 2, 3, 4, 5
having sum(n) <> 0 or sum(sent) <> 0 or sum(segments) <> 0
returning state, reason, n;
