-- name: pending
-- Work that is not finished: the demo waits until there is none. A text that is tried again in half an hour, because its
-- phone was off, is not waited for.
select (select count(*) from message m join step s using (step_id)
         where s.campaign_id = $1 and s.state in ('launching', 'running') and m.state in ('queued', 'sending')
           and m.not_before < now() + interval '5 minutes') as outbox,
       (select count(*) from inbox where state = 'new') as inbox
