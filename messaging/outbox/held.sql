-- name: settle
-- A person has decided about messages of unknown outcome: they left (accepted), or they go again (queued), unless their
-- campaign has been cancelled meanwhile.
with settled as (
  update message m
  set state = (case when not $1 then 'accepted' when s.state = 'cancelled' then 'cancelled' else 'queued' end)::message_state,
      reason = case when $1 and s.state = 'cancelled' then 'campaign_cancelled' end,
      not_before = case when $1 then least(m.not_before, $2) else m.not_before end,
      sent_at = case when $1 then m.sent_at else coalesce(m.sent_at, m.wire_at, now()) end,
      wire_at = case when $1 then null else m.wire_at end,
      changed_at = now()
  from step s
  where m.state = 'ambiguous' and m.reason = 'held' and s.step_id = m.step_id
  returning m.message_id, m.state, m.reason
), told as (
  insert into message_event (message_id, state, source, code, detail)
  select message_id, state, 'staff', reason, jsonb_build_object('by', $3::text) from settled
)
select count(*) filter (where state <> 'cancelled') from settled;

-- name: sender
-- By the number or mailbox people know it by.
select sender_id, channel, paused_reason from sender where address = $1;

-- name: paused
select address, channel, paused_reason from sender where paused_reason is not null order by address;
