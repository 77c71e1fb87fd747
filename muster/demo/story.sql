-- name: pending
-- Work that is not finished: the demo waits until there is none.
select (select count(*) from message m join step s using (step_id)
         where s.campaign_id = $1 and s.state in ('launching', 'running') and m.state in ('queued', 'sending')) as outbox,
       (select count(*) from inbox where state = 'new') as inbox
