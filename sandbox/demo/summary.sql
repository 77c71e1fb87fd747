-- name: count_states
-- State of everybody in each step, by channel: the rows of a step add up to its audience.
select s.position, s.template, coalesce(m.channel, '') as channel, m.state::text as state, coalesce(m.reason, '') as reason,
       m.sent, sum(m.n)::bigint as n, sum(m.segments)::bigint as segments
  from step s
  join (
    select step_id, channel, state, reason, sent_at is not null as sent, count(*) as n, coalesce(sum(segments), 0) as segments
      from message where step_id in (select step_id from step where campaign_id = $1) group by 1, 2, 3, 4, 5
    union all
    select step_id, channel, state, reason, sent, n, segments from step_total
  ) m using (step_id)
 where s.campaign_id = $1
 group by 1, 2, 3, 4, 5, 6
 order by 1, 3, 4, 5;

-- name: count_opened
-- Messages whose page was opened by something not recognised as a scanner.
select (select count(distinct message_id) from page_view where action = 'confirm' and agent = 'browser')
       + (select coalesce(sum(opened), 0)::bigint from step_total);

-- name: list_opt_outs
-- Addresses whose holders opted out.
select channel, address from suppression where reason = 'opted_out' and channel <> 'person';

-- name: count_replies
-- Inbound texts, and answers on any channel that wait for a person.
select count(*) filter (where channel = 'sms') as received, count(*) filter (where state = 'open') as waiting from reply;
