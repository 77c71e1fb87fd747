-- Made before the first release, so there is no table full of rows that could be blocked meanwhile.
-- squawk-ignore-file require-concurrent-index-creation, require-concurrent-index-deletion, ban-drop-constraint
-- squawk-ignore-file require-timeout-settings
-- migrate:up

-- A launch writes rows of one step and two senders by the hundred thousand, and looked each of them up again for its
-- foreign keys: a third of its time. Steps and senders that have messages stay, which is looked at when one is deleted.
alter table message drop constraint message_step_id_fkey;
alter table message drop constraint message_sender_id_fkey;

create function stay_while_written_for() returns trigger language plpgsql as $$
begin
  if tg_table_name = 'step' and exists (select from message where step_id = old.step_id)
    or tg_table_name = 'sender' and exists (select from message where sender_id = old.sender_id)
  then
    raise foreign_key_violation using message = format('a %s that messages name cannot be deleted', tg_table_name);
  end if;
  return old;
end
$$;
create trigger step_stays before delete on step for each row execute function stay_while_written_for();
create trigger sender_stays before delete on sender for each row execute function stay_while_written_for();

-- One index of people's messages instead of two: what a step has is found by the index of its progress.
alter table message drop constraint message_step_id_person_id_key;
drop index message_person;
create unique index message_person on message (person_id, step_id);

-- What a message may say about each person, fact by fact; "" where there is nothing. A launch takes what its template uses.
create view person_facts as
select
  p.person_id, p.time_zone, p.attributes, p.first_name, p.last_name,
  trim(p.first_name || ' ' || p.last_name) as full_name,
  p.external_id as member_id,
  p.language,
  coalesce(place.unit, '') as unit,
  coalesce(place.branch, '') as branch,
  coalesce(place.workplace, '') as workplace,
  coalesce(place.region, '') as region
from person p
left join (
  select
    u.unit_id,
    max(u.name) as unit,
    max(above.name) filter (where above.kind = 'branch') as branch,
    max(above.name) filter (where above.kind = 'workplace') as workplace,
    max(above.name) filter (where above.kind = 'region') as region
  from unit u
  cross join lateral unnest(u.lineage) as step (unit_id)
  join unit above on above.unit_id = step.unit_id
  group by u.unit_id
) place using (unit_id);

create or replace view template_variables as
select
  person_id,
  time_zone,
  (select coalesce(jsonb_object_agg(name, ''), '{}') from attribute) || attributes || jsonb_build_object(
    'first_name', first_name, 'last_name', last_name, 'full_name', full_name, 'member_id', member_id,
    'language', language, 'unit', unit, 'branch', branch, 'workplace', workplace, 'region', region
  ) as variables
from person_facts;

-- migrate:down
