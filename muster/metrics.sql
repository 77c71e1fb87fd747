-- name: count_messages
-- Counts messages by one index-only scan, at most every few seconds (see Metrics), and the transactional messages, of
-- which there are few. Archived messages stay counted; test messages do not count.
select state::text as state, sum(n)::bigint as n
from (
  select state, count(*) as n from message where step_id is not null group by state
  union all
  select state, n from step_total
  union all
  select m.state, 1 from transactional t join message m using (message_id) where t.kind <> 'test'
) as everywhere
group by state;

-- name: find_queue_age
-- How long the longest waiting message has been due, in seconds: reads only the head of the index, for each running
-- step and for each sender's transactional messages.
select coalesce(extract(epoch from $1::timestamptz - min(head.not_before)), 0)::float8 as seconds
from (
  select first.not_before
  from step
  cross join unnest(step.channels) as channel
  cross join lateral (
    select not_before from message
    where message.step_id = step.step_id and message.channel = channel and state = 'queued' and not_before <= $1
    order by not_before limit 1
  ) as first
  where step.state = 'running'
  union all
  select first.not_before
  from sender
  cross join lateral (
    select not_before from message
    where message.step_id is null and message.sender_id = sender.sender_id and state = 'queued' and not_before <= $1
    order by not_before limit 1
  ) as first
) as head;

-- name: count_inbound
-- Inbound rows that are not processed yet, and those that could not be processed.
select
  (select count(*) from inbound_log where state = 'new') as new,
  (select count(*) from inbound_log where state = 'parked') as parked;
