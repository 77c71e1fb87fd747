-- name: count_messages
-- Counts messages by the sums, at most every few seconds (see Metrics), and the transactional messages, of
-- which there are few. Archived messages stay counted; test messages do not count. Those in flight are counted as
-- queued in the sums.
select state::text as state, sum(n)::bigint as n
from (
  select state, sum(n)::bigint as n from message_count where step_id is not null group by state
  union all
  select state, n from step_total
  union all
  select m.state, 1 from transactional t join message m using (message_id) where t.kind <> 'test'
  union all
  select moved.state, moved.sign * count(*)
  from in_flight f
  join message m on m.message_id = f.message_id and m.state = 'queued' -- a receipt may have come before the outcome
  cross join (values ('queued'::message_state, -1), ('sending', 1)) as moved (state, sign)
  where not exists (select from transactional t where t.message_id = f.message_id and t.kind = 'test')
  group by moved.state, moved.sign
) as everywhere
group by state
having sum(n) <> 0;

-- name: find_queue_age
-- How long the longest waiting message has been due, in seconds: reads only the head of the index, for each running
-- step and for each sender's transactional messages.
select coalesce(extract(epoch from $1::timestamptz - min(head.not_before)), 0)::float8 as seconds
from (
  select first.not_before
  from step
  cross join unnest(step.channels) as channel
  cross join lateral (
    select q.not_before from queue q
    where q.queue_id = queue_of(step.step_id, channel, null) and q.not_before <= $1
    order by q.not_before limit 1
  ) as first
  where step.state = 'running'
  union all
  select first.not_before
  from sender
  cross join lateral (
    select q.not_before from queue q
    where q.queue_id = queue_of(null, null, sender.sender_id) and q.not_before <= $1
    order by q.not_before limit 1
  ) as first
) as head;

-- name: count_inbound
-- Inbound rows that are not processed yet, and those that could not be processed.
select
  (select count(*) from inbound_log where state = 'new') as new,
  (select count(*) from inbound_log where state = 'parked') as parked;
