-- migrate:up

-- For everyone.
grant select on ballot, ballot_unit to muster_staff, muster_staff_all;

-- Electors and counts belong to the unit they are counted in; what somebody said is seen where the person is.
alter table elector enable row level security;
alter table count_change enable row level security;
alter table claim enable row level security;
alter table claim_status enable row level security;
create policy worker on elector to muster_worker using (true) with check (true);
create policy worker on count_change to muster_worker using (true) with check (true);
create policy worker on claim to muster_worker using (true) with check (true);
create policy worker on claim_status to muster_worker using (true) with check (true);
create policy staff on elector for select to muster_staff using (unit_id = any ((select scope_units())::bigint[]));
create policy staff on count_change for select to muster_staff using (unit_id = any ((select scope_units())::bigint[]));
create policy staff on claim for select to muster_staff using (
  exists (select from person p where p.person_id = claim.person_id)
);
create policy staff on claim_status for select to muster_staff using (
  exists (select from person p where p.person_id = claim_status.person_id)
);
create policy staff_all on elector for select to muster_staff_all using ((select scope_is_everywhere()));
create policy staff_all on count_change for select to muster_staff_all using ((select scope_is_everywhere()));
create policy staff_all on claim for select to muster_staff_all using ((select scope_is_everywhere()));
create policy staff_all on claim_status for select to muster_staff_all using ((select scope_is_everywhere()));
grant select on elector, count_change, claim_status to muster_staff, muster_staff_all;
grant select (claim_id, ballot_id, person_id, kind, source, confidence, at, message_id, retracts) on claim
  to muster_staff, muster_staff_all;

alter view claim_said set (security_invoker = true);

-- migrate:down
