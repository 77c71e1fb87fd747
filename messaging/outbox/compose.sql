-- name: find_step
-- A step's content and senders; read once by each worker.
select s.step_id, s.campaign_id, s.content, s.constants, s.secret, s.send_before,
  sms.address as sms_from, email.address as email_from, email.display_name as email_name
from step s
left join sender sms on sms.sender_id = s.sms_sender_id
left join sender email on email.sender_id = s.email_sender_id
where s.step_id = $1;

-- name: find_sender
-- The address and name of a sender of transactional messages.
select address, display_name from sender where sender_id = $1;
