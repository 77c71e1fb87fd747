-- migrate:up

-- A reply that was read, by rule or by a person; "open" ones wait for somebody.
create table reply (
  reply_id      bigint generated always as identity primary key,
  inbound_id    bigint      not null unique,
  channel       text        not null check (channel in ('sms', 'email', 'link')), -- link: a button pressed on the member's page
  address       text        not null,
  sender        text        not null, -- our number or mailbox it was sent to
  person_id     bigint      references person,
  message_id    bigint,               -- the message it answers
  text          text        not null,
  reading       text        not null,
  rule          text        not null,
  rule_version  text        not null,
  answer_kind   text,                 -- what it became: a claim about a ballot …, so that staff can take it back
  answer_id     bigint,               -- and its id
  note          text,                 -- what staff should know beside its words, such as that attachments were not kept
  why_open      text,                 -- unclear, shared_address, unknown_sender, call_me …; null: nothing for a person to do
  state         text        not null default 'closed' check (state in ('open', 'asked', 'closed')), -- asked: its author may answer first
  asked_back_at timestamptz,          -- when we told its author once more how to answer; null: we did not
  asked_until   timestamptz,          -- from when it is open if its author has not answered by then; null: it was at once
  received_at   timestamptz not null default now(),
  closed_at     timestamptz,
  closed_by     text,
  check ((answer_kind is null) = (answer_id is null)),
  check (state <> 'asked' or asked_until is not null)
);
create index reply_asked on reply (asked_until) where state = 'asked';
create index reply_open on reply (received_at) where state = 'open';
create index reply_message on reply (message_id) where channel = 'link';
create index reply_person on reply (person_id, received_at);
-- Other replies from a phone or mailbox: staff see them beside a reply, and a later STOP or START is found.
create index reply_address on reply (channel, address, reply_id);

-- A reply comes from an address and may say anything, so it takes the permission for addresses. One whose author is not known
-- is seen with the whole organisation only.
alter table reply enable row level security;
create policy worker on reply to muster_worker using (true) with check (true);
create policy staff on reply for select to muster_staff using (
  (select contacts_are_everywhere())
    and exists (select from person p where p.person_id = reply.person_id)
  or exists (
    select from person p where p.person_id = reply.person_id and p.unit_id = any ((select contact_units())::bigint[])
  )
);
create policy staff_all on reply for select to muster_staff_all using (
  (select scope_is_everywhere() and contacts_are_everywhere())
  or exists (
    select from person p where p.person_id = reply.person_id and p.unit_id = any ((select contact_units())::bigint[])
  )
);
grant select (
  reply_id, channel, address, person_id, message_id, text, reading, rule, answer_kind, answer_id, note, why_open, state, asked_until,
  received_at, closed_at, closed_by
) on reply to muster_staff, muster_staff_all;

-- Every reading a reply has had: by which rule of which version, or by whom of staff, and the answer it became. Written by
-- the database itself, so that no way of changing a reply leaves it out.
create table reply_classification (
  classification_id bigint generated always as identity primary key,
  reply_id          bigint      not null,
  reading           text        not null,
  rule              text        not null,
  rule_version      text        not null,
  reader            text,                 -- a member of staff; null: the rule
  answer_id         bigint,
  at                timestamptz not null default now()
);
create index reply_classification_reply on reply_classification (reply_id, classification_id);
create trigger reply_classification_append_only before update or delete on reply_classification
  for each row execute function refuse_change();

create function note_classification() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  if tg_op = 'INSERT' or new.rule = 'staff'
    or (new.reading, new.rule, new.rule_version) is distinct from (old.reading, old.rule, old.rule_version) then
    insert into reply_classification (reply_id, reading, rule, rule_version, reader, answer_id, at)
    values (
      new.reply_id, new.reading, new.rule, new.rule_version, case when new.rule = 'staff' then new.closed_by end,
      new.answer_id, case when tg_op = 'INSERT' then new.received_at else coalesce(new.closed_at, now()) end
    );
  end if;
  return null;
end $$;
create trigger reply_noted after insert or update of reading, rule, rule_version on reply
  for each row execute function note_classification();

-- A reply as staff see it: what it says, whose it is where that is certain, and the subject it is about.
create view reply_shown with (security_invoker = true) as
select
  r.reply_id, r.received_at, r.channel, r.address, r.text, r.reading, r.rule, r.message_id, r.note, r.why_open, r.state,
  r.closed_at, r.closed_by,
  p.person_id, p.external_id, trim(p.first_name || ' ' || p.last_name) as name, u.name as unit, subject.subject_kind,
  subject.name as subject, answer_label.label as answer,
  held.holders, held.holder_names
from reply r
left join lateral (
  select
    array_agg(h.external_id order by h.external_id) as holders,
    array_agg(trim(h.first_name || ' ' || h.last_name) order by h.external_id) as holder_names
  from address a join person h using (person_id)
  where a.channel = r.channel and a.address = r.address
) held on true
left join person p on p.person_id = r.person_id
left join unit u on u.unit_id = p.unit_id
left join message_recipient m on m.message_id = conversation_of(r.message_id)
left join campaign c on c.campaign_id = m.campaign_id
left join subject using (subject_kind, subject_id)
left join answer_label using (answer_kind, answer_id);
grant select on reply_shown to muster_staff, muster_staff_all;

-- Replies as lines of a member's history.
create view reply_said with (security_invoker = true) as
select
  r.received_at as at, 'reply'::text as kind, r.message_id, r.channel as source, r.reading as label, r.text,
  case r.state when 'open' then r.why_open end as note,
  r.person_id, r.channel, r.address
from reply r;

-- migrate:down
