-- migrate:up

-- Which messages there were, in outbox and archive: to whom, of which step, and what became of them, without an address.
create view message_recipient with (security_invoker = true) as
select message_id, step_id, campaign_id, person_id, channel, state, segments from message
union all
select message_id, step_id, campaign_id, person_id, channel, state, segments from message_archive;

alter view message_any set (security_invoker = true);
alter view message_event_any set (security_invoker = true);

-- For everyone: what is the same for all people. The content of a step and what its links are made with are nobody's to read.
grant select (sender_id, channel, address, display_name, paused_reason) on sender to muster_staff, muster_staff_all;
grant select (
  step_id, campaign_id, position, template, purpose, channels, sms_sender_id, email_sender_id, goal_id, priority, state, due_at, after,
  dated, send_after, send_before, launched_at, finished_at, created_at
) on step to muster_staff, muster_staff_all;

-- Totals of what was archived are of everybody; who sees a region counts its messages in the archive itself.
alter table step_total enable row level security;
create policy worker on step_total to muster_worker using (true) with check (true);
create policy staff on step_total for select to muster_staff, muster_staff_all using ((select scope_is_everywhere()));
grant select on step_total to muster_staff, muster_staff_all;

-- Policies of what belongs to a person come with the people; here are the columns. Where a message went, its variables and what
-- providers call it are not among them.
alter table message enable row level security;
alter table message_archive enable row level security;
alter table transactional enable row level security;
alter table suppression_event enable row level security;
create policy worker on message to muster_worker using (true) with check (true);
create policy worker on message_archive to muster_worker using (true) with check (true);
create policy worker on transactional to muster_worker using (true) with check (true);
create policy worker on suppression_event to muster_worker using (true) with check (true);
create policy staff_all on message for select to muster_staff_all using ((select scope_is_everywhere()));
create policy staff_all on message_archive for select to muster_staff_all using ((select scope_is_everywhere()));
create policy staff_all on transactional for select to muster_staff_all using ((select scope_is_everywhere()));
create policy staff_all on suppression_event for select to muster_staff_all using ((select scope_is_everywhere()));
grant select (
  message_id, step_id, campaign_id, person_id, channel, state, reason, not_before, date_at, segments, created_at, sent_at, changed_at
) on message to muster_staff, muster_staff_all;
grant select (
  message_id, step_id, campaign_id, person_id, channel, state, reason, segments, created_at, sent_at, changed_at, year
) on message_archive to muster_staff, muster_staff_all;
grant select (message_id, kind, about) on transactional to muster_staff, muster_staff_all;
grant select (event_id, purpose, action, reason, message_id, at) on suppression_event to muster_staff, muster_staff_all;

grant execute on function conversation_of, is_received to muster_staff, muster_staff_all;

-- migrate:down
