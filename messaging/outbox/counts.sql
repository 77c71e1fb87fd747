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
      select m.not_before from message m
      where m.step_id = s.step_id and m.channel = c.channel and m.state = 'queued'
      order by m.not_before
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
-- Counts messages, segments and rate in one pass over one index, without reading the table, also under the policy of a region.
-- Archived messages are a few rows of totals, whose number never grows; for a region see count_archived.
select step_id, state, reason, count(*) as n, coalesce(sum(segments), 0) as segments,
  count(*) filter (where sent_at > now() - $2::float8 * interval '1 second') as lately
from message
where step_id = any ($1::bigint[])
group by step_id, state, reason
union all
select step_id, state, reason, n, segments, 0 from step_total where step_id = any ($1::bigint[]);

-- name: count_archived
-- The same for archived messages, for readers who see only a part of the organisation: totals count everybody, so they
-- are not for them. For all other readers it finds nothing, and does not look.
select step_id, state, reason, count(*) as n, coalesce(sum(segments), 0) as segments, 0 as lately
from message_archive
where (select scope_is_partial()) and step_id = any ($1::bigint[])
group by step_id, state, reason;

-- name: count_by_channel
-- Counts messages by channel, for the page of one campaign only: it reads every message of the campaign, and of
-- archived messages the totals, or the messages themselves, as above.
select
  step_id, channel, state::text as state, count(*) as n,
  coalesce(sum(segments), 0)::bigint as segments
from message
where step_id = any (select step_id from step where campaign_id = $1)
group by step_id, channel, state
union all
select step_id, channel, state::text, sum(n)::bigint, sum(segments)::bigint
from step_total
where step_id = any (select step_id from step where campaign_id = $1)
group by step_id, channel, state
union all
select step_id, channel, state::text, count(*), coalesce(sum(segments), 0)::bigint
from message_archive
where (select scope_is_partial()) and step_id = any (select step_id from step where campaign_id = $1)
group by step_id, channel, state;
