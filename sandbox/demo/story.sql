-- name: count_waiting
-- Unfinished work, for which the demo waits. It does not wait for a text that is tried again in half an hour, because
-- its phone was off.
select (select count(*) from message m join step s using (step_id)
         where s.campaign_id = $1 and s.state in ('launching', 'running') and m.state in ('queued', 'sending')
           and m.not_before < now() + interval '5 minutes') as outbox,
       (select count(*) from inbound_log where state = 'new') as inbox
