-- name: settle
-- A person has decided about messages of unknown outcome: they left (accepted), or they go again (queued).
with settled as (
  update message m
  set state = (case when $1 then 'queued' else 'accepted' end)::message_state,
      reason = null,
      not_before = case when $1 then least(m.not_before, $2) else m.not_before end,
      sent_at = case when $1 then m.sent_at else coalesce(m.sent_at, m.wire_at, now()) end,
      wire_at = case when $1 then null else m.wire_at end,
      changed_at = now()
  where m.state = 'ambiguous' and m.reason = 'held'
  returning m.message_id, m.state
), told as (
  insert into message_event (message_id, state, source, detail)
  select message_id, state, 'staff', jsonb_build_object('by', $3::text) from settled
)
select count(*) from settled;

-- name: sender
-- By the number or mailbox people know it by.
select sender_id, channel, paused_reason from sender where address = $1;

-- name: paused
select address, channel, paused_reason from sender where paused_reason is not null order by address;
