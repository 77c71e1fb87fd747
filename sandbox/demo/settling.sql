-- name: count_waiting
-- Unfinished work, for which the demo waits. It does not wait for messages that are due later: a text that is tried
-- again in half an hour, because its phone was off, or a reminder of an appointment next week.
select (select count(*) from message m left join step s using (step_id)
         where (s.step_id is null or s.state in ('launching', 'running')) and m.state in ('queued', 'sending')
           and m.not_before < now() + interval '5 minutes') as outbox,
       (select count(*) from inbound_log where state = 'new') as inbound;
