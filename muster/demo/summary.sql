-- name: became
-- What became of everybody in each step, by channel: the rows of a step add up to its audience.
select s.position, s.template, coalesce(m.channel, '') as channel, m.state::text as state, coalesce(m.reason, '') as reason,
       m.sent_at is not null as sent, count(*) as n, coalesce(sum(m.segments), 0) as segments
  from step s join message m using (step_id)
 where s.campaign_id = $1
 group by 1, 2, 3, 4, 5, 6
 order by 1, 3, 4, 5

-- name: standings
-- Where members stand, each counted once, by the route that decided.
select kind, source, count(*) as n from standing where ballot_id = $1 group by kind, source order by kind, source

-- name: opened
-- Messages whose page was looked at by something that did not give itself away as a scanner.
select count(distinct message_id) from link_visit where action = 'confirm' and agent = 'browser'

-- name: silenced
-- Addresses whose holders asked for silence.
select channel, address from suppression where reason = 'opted_out' and channel <> 'person'

-- name: replies
-- How many texts came in, and how many answers of any kind wait for a person.
select count(*) filter (where channel = 'sms') as received, count(*) filter (where state = 'open') as waiting from reply
