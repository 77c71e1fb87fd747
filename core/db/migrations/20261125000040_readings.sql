-- migrate:up

-- Every reading a reply has had: by which rule of which version, or by whom of staff, and the claim it became. Written by
-- the database itself, so that no way of changing a reply leaves it out.
create table reply_reading (
  reading_id   bigint generated always as identity primary key,
  reply_id     bigint      not null,
  reading      text        not null,
  rule         text        not null,
  rule_version text        not null,
  reader       text,                 -- of staff; null: the rule
  claim_id     bigint,
  at           timestamptz not null default now()
);
create index reply_reading_reply on reply_reading (reply_id, reading_id);

insert into reply_reading (reply_id, reading, rule, rule_version, reader, claim_id, at)
select
  reply_id, reading, rule, rule_version, case when rule = 'staff' then closed_by end, claim_id,
  case when rule = 'staff' then coalesce(closed_at, received_at) else received_at end
from reply
order by reply_id;

create trigger reply_reading_append_only before update or delete on reply_reading for each row execute function refuse_change();

create function note_reading() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' or new.rule = 'staff'
    or (new.reading, new.rule, new.rule_version) is distinct from (old.reading, old.rule, old.rule_version) then
    insert into reply_reading (reply_id, reading, rule, rule_version, reader, claim_id, at)
    values (
      new.reply_id, new.reading, new.rule, new.rule_version, case when new.rule = 'staff' then new.closed_by end,
      new.claim_id, case when tg_op = 'INSERT' then new.received_at else coalesce(new.closed_at, now()) end
    );
  end if;
  return null;
end $$;
create trigger reply_noted after insert or update of reading, rule, rule_version on reply
  for each row execute function note_reading();

-- migrate:down
