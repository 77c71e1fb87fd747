-- migrate:up

-- For everyone.
grant select on unit, attribute to muster_staff, muster_staff_all;

-- A person without a unit is seen with the whole organisation only. Attributes are nobody's to read here: a member file may have
-- put a number or a mailbox there.
alter table person enable row level security;
create policy worker on person to muster_worker using (true) with check (true);
create policy staff on person for select to muster_staff using (unit_id = any ((select scope_units())::bigint[]));
create policy staff_all on person for select to muster_staff_all using ((select scope_is_everywhere()));
grant select (
  person_id, external_id, first_name, last_name, unit_id, language, time_zone, created_at, updated_at, left_at, struck_off_at, erased_at
) on person to muster_staff, muster_staff_all;

-- Addresses take a permission of their own, which may be for fewer units. A sub-select from `person` is under that table's policy.
alter table address enable row level security;
create policy worker on address to muster_worker using (true) with check (true);
create policy staff on address for select to muster_staff using (
  (select contacts_are_everywhere())
    and exists (select from person p where p.person_id = address.person_id)
  or exists (
    select from person p where p.person_id = address.person_id and p.unit_id = any ((select contact_units())::bigint[])
  )
);
create policy staff_all on address for select to muster_staff_all using (
  (select scope_is_everywhere() and contacts_are_everywhere())
  or exists (
    select from person p where p.person_id = address.person_id and p.unit_id = any ((select contact_units())::bigint[])
  )
);
grant select on address to muster_staff, muster_staff_all;

-- What was sent to a person, and their opt-outs in answer to it, are seen where the person is. PostgreSQL looks the person up
-- for a few rows, and for many gathers the people of the scope once.
create policy staff on message for select to muster_staff using (
  exists (select from person p where p.person_id = message.person_id)
);
create policy staff on message_archive for select to muster_staff using (
  exists (select from person p where p.person_id = message_archive.person_id)
);
create policy staff on transactional for select to muster_staff using (
  exists (select from message m where m.message_id = transactional.message_id)
);
create policy staff on suppression_event for select to muster_staff using (
  exists (select from message_recipient m where m.message_id = suppression_event.message_id)
);
grant select on message_recipient to muster_staff, muster_staff_all;

alter view person_facts set (security_invoker = true);
alter view template_variables set (security_invoker = true);

grant execute on function folded, number_key, unit_path to muster_staff, muster_staff_all;

-- migrate:down
