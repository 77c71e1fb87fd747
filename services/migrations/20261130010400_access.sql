-- migrate:up

-- For everyone.
grant select on question, question_answer to muster_staff, muster_staff_all;
alter view question_described set (security_invoker = true);
grant select on question_described to muster_staff, muster_staff_all;

-- Present answers and counts belong to the unit they are counted in; what somebody said is seen where the person is. Comments are
-- nobody's to read here, as people write their numbers into them.
alter table response enable row level security;
alter table response_status enable row level security;
alter table response_count enable row level security;
create policy worker on response to muster_worker using (true) with check (true);
create policy worker on response_status to muster_worker using (true) with check (true);
create policy worker on response_count to muster_worker using (true) with check (true);
create policy staff on response for select to muster_staff using (
  exists (select from person p where p.person_id = response.person_id)
);
create policy staff on response_status for select to muster_staff using (unit_id = any ((select scope_units())::bigint[]));
create policy staff on response_count for select to muster_staff using (unit_id = any ((select scope_units())::bigint[]));
create policy staff_all on response for select to muster_staff_all using ((select scope_is_everywhere()));
create policy staff_all on response_status for select to muster_staff_all using ((select scope_is_everywhere()));
create policy staff_all on response_count for select to muster_staff_all using ((select scope_is_everywhere()));
grant select (response_id, question_id, person_id, answer, source, at, message_id, campaign_id, retracts, date_at) on response
  to muster_staff, muster_staff_all;
grant select on response_status, response_count to muster_staff, muster_staff_all;

alter view response_standing set (security_invoker = true);
alter view response_label set (security_invoker = true);
alter view response_said set (security_invoker = true);
grant select on response_label to muster_staff, muster_staff_all;

-- migrate:down
