-- Made before the first release, so there is no table full of rows that could be blocked meanwhile.
-- squawk-ignore-file require-concurrent-index-creation, require-concurrent-index-deletion, ban-drop-constraint
-- squawk-ignore-file require-timeout-settings
-- migrate:up

-- A launch writes rows of one step and two senders by the hundred thousand, and looked each of them up again for its
-- foreign keys: a third of its time. Steps and senders that have messages stay, which is looked at when one is deleted.
alter table message drop constraint message_step_id_fkey;
alter table message drop constraint message_sender_id_fkey;

create function stay_while_written_for() returns trigger language plpgsql as $$
declare
  named boolean;
begin
  if tg_table_name = 'step' then
    named := exists (select from message where step_id = old.step_id);
  else
    named := exists (select from message where sender_id = old.sender_id);
  end if;
  if named then
    raise foreign_key_violation using message = format('a %s that messages name cannot be deleted', tg_table_name);
  end if;
  return old;
end
$$;
create trigger step_stays before delete on step for each row execute function stay_while_written_for();
create trigger sender_stays before delete on sender for each row execute function stay_while_written_for();

-- Whatever is done to a message is written into each of its indexes. Two of them were in the order of people and addresses,
-- so that with ten million messages nearly every entry lay on a page of its own, and claims took twice as long. A person's
-- messages, and an address's, are found by way of the steps, of which there are a few hundred: one look for each, in
-- indexes whose busy part is as small as one step.
drop index message_person, message_address;

create function messages_of(bigint) returns setof message language sql stable parallel safe as $$
  select m.* from step s join message m on m.step_id = s.step_id and m.person_id = $1
$$;

create function messages_to(text, text) returns setof message language sql stable parallel safe as $$
  select m.* from step s join message m on m.step_id = s.step_id and m.channel = $1 and m.address = $2
$$;

-- As before, by way of the steps that may have sent something in the time that counts.
create or replace function cap_frees_at(person bigint, purpose text, at timestamptz, caps jsonb, except_message bigint)
returns timestamptz language sql stable as $$
  select max(
    case when had.messages >= cap.messages then coalesce(had.nth + cap.seconds * interval '1 second', at + interval '5 minutes') end
  )
  from jsonb_to_recordset(caps) as cap (messages int, seconds float8, purpose text)
  cross join lateral (
    select
      count(*) as messages,
      (array_agg(one.left_at order by one.left_at desc) filter (where one.left_at is not null))[cap.messages] as nth
    from (
      select case when m.state not in ('sending', 'ambiguous') then greatest(m.sent_at, m.wire_at) end as left_at
      from step s
      join message m on m.step_id = s.step_id and m.person_id = person
      where (cap.purpose = 'all' or s.purpose = cap.purpose)
        and (s.finished_at is null or s.finished_at > at - cap.seconds * interval '1 second')
        and m.message_id is distinct from except_message
        and m.state in ('accepted', 'sent', 'delivered', 'read', 'complained', 'sending', 'ambiguous')
    ) as one
    where one.left_at is null or one.left_at > at - cap.seconds * interval '1 second'
  ) as had
  where cap.purpose in ('all', cap_frees_at.purpose)
$$;

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
