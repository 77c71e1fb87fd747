-- migrate:up

-- What messages are about to which no answer is wanted.
create table notice (
  notice_id    bigint generated always as identity primary key,
  name         text        not null unique,     -- its campaign's
  title        text        not null,            -- what people read
  organisation text        not null default '', -- empty: the one in the settings
  time_zone    text        not null,            -- of its dates, in files
  closes_at    timestamptz,                     -- when it is of no use any more; null: with the end of its campaign
  created_at   timestamptz not null default now()
);

-- Everything a campaign can ask about. `details` is what only its kind has, for the class of that kind (campaigns/subjects);
-- the rest is read by queries, which join this view by kind and id. `letter` stands behind its digits where something else is
-- open to the same phone.
create view subject as
select
  'ballot'::text as subject_kind, ballot_id as subject_id, name, title, organisation, goal_id, opens_at, closes_at, time_zone,
  '' as letter, jsonb_build_object('last_posting_at', last_posting_at, 'replacement_by', replacement_by) as details
from ballot
union all
select
  'question', question_id, name, title, organisation, goal_id, opens_at, closes_at, time_zone, letter,
  jsonb_build_object('asks', asks, 'comment', comment, 'translations', translations, 'answers', answers)
from question_described
union all
select 'notice', notice_id, name, title, organisation, null, null, closes_at, time_zone, '', '{}' from notice;

-- What each person is known to have answered about a subject; `said_at` is the message whose link they said it by, if they did.
create view subject_status as
select
  'ballot'::text as subject_kind, s.ballot_id as subject_id, s.person_id, s.kind as status,
  case when c.source = 'link' then c.message_id end as said_at
from claim_status s
join claim c using (claim_id)
union all
select
  'question', s.question_id, s.person_id, s.answer, case when r.source = 'link' then r.message_id end
from response_status s
join response r using (response_id);

-- Labels of answers, of the kinds of subjects whose answers have one.
create view answer_label as
select 'question'::text as answer_kind, response_id as answer_id, label from response_label;

-- Answers as lines of a person's history.
create view answer_said as
select
  at, kind, message_id, source, label, null::text as text, note, person_id, 'ballot'::text as subject_kind,
  ballot_id as subject_id, subject_name, undone_message_id
from claim_said
union all
select
  at, kind, message_id, source, label, text, note, person_id, 'question', question_id, subject_name, undone_message_id
from response_said;

create table campaign (
  campaign_id   bigint generated always as identity primary key,
  name          text        not null unique,
  title         text        not null,
  subject_kind  text        not null, -- what it asks about, as in the view subject
  subject_id    bigint      not null,
  state         text        not null default 'draft' check (state in ('draft', 'running', 'paused', 'cancelled', 'finished')),
  audience      jsonb       not null, -- the filter tree, see campaigns/audience.py
  spec          jsonb       not null, -- the file it was made from
  paused_reason text,
  created_by    text        not null,
  created_at    timestamptz not null default now(),
  launched_at   timestamptz,
  finished_at   timestamptz
);

create function refuse_unknown_subject() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  if not exists (select from subject s where (s.subject_kind, s.subject_id) = (new.subject_kind, new.subject_id)) then
    raise exception 'there is no % %', new.subject_kind, new.subject_id;
  end if;
  return null;
end $$;
create trigger campaign_subject_exists after insert or update of subject_kind, subject_id on campaign
  for each row execute function refuse_unknown_subject();

-- From when on nothing is to be said any more about a subject: its close, or the end of a campaign about one that never closes;
-- null: not yet. The lifetime of links and the archive count from it.
create function over_at(closes_at timestamptz, finished_at timestamptz) returns timestamptz
language sql immutable parallel safe as $$ select coalesce(closes_at, finished_at) $$;

-- When a step starts that follows another: days keep the hour of the subject's clock, also where that is put forward or
-- back in between; hours and minutes are as long as they say.
create function starts_after(launched timestamptz, pause interval, zone text)
returns timestamptz language sql immutable parallel safe as $$
  select ((launched at time zone zone + date_trunc('day', pause)) at time zone zone) + (pause - date_trunc('day', pause))
$$;

-- Steps whose messages are due before or after a date of each person: the attribute that says it, and when everybody was last
-- compared with their message.
create table dated_step (
  step_id     bigint      primary key references step,
  attribute   text        not null,
  compared_at timestamptz
);

-- People whose details changed and who may have got, moved or lost such a date. Written in the transaction of the change, whatever
-- makes it; a row goes in the transaction that has done for one step what follows from it.
create table date_change (
  step_id   bigint not null references step,
  change_id bigint generated always as identity,
  person_id bigint not null,
  primary key (step_id, change_id)
);

create function note_date_changes() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  if exists (select from dated_step join step using (step_id) where state not in ('finished', 'cancelled')) then
    insert into date_change (step_id, person_id)
    select d.step_id, p.person_id
    from changed_people p
    cross join dated_step d
    join step s using (step_id)
    where s.state not in ('finished', 'cancelled') and (
      coalesce(p.attributes ->> d.attribute, '') <> ''
      or exists (select from message m where m.step_id = d.step_id and m.person_id = p.person_id and m.date_at is not null)
    );
  end if;
  return null;
end $$;
create trigger person_comes_with_dates after insert on person
  referencing new table as changed_people for each statement execute function note_date_changes();
create trigger person_changes_dates after update on person
  referencing new table as changed_people for each statement execute function note_date_changes();

-- A reply that was read, by rule or by a person; "open" ones wait for somebody.
create table reply (
  reply_id     bigint generated always as identity primary key,
  inbound_id     bigint      not null unique,
  channel      text        not null check (channel in ('sms', 'email', 'link')), -- link: a button pressed on the member's page
  address      text        not null,
  sender       text        not null, -- our number or mailbox it was sent to
  person_id    bigint      references person,
  message_id   bigint,               -- the message it answers
  text         text        not null,
  reading      text        not null,
  rule         text        not null,
  rule_version text        not null,
  answer_kind  text,                 -- what it became: a claim about a ballot …, so that staff can take it back
  answer_id    bigint,               -- and its id
  note         text,                 -- what staff should know beside its words, such as that attachments were not kept
  why_open     text,                 -- unclear, shared_address, unknown_sender, call_me …; null: nothing for a person to do
  state        text        not null default 'closed' check (state in ('open', 'asked', 'closed')), -- asked: its author may answer first
  asked_back_at timestamptz,         -- when we told its author once more how to answer; null: we did not
  asked_until  timestamptz,          -- from when it is open if its author has not answered by then; null: it was at once
  received_at  timestamptz not null default now(),
  closed_at    timestamptz,
  closed_by    text,
  check ((answer_kind is null) = (answer_id is null)),
  check (state <> 'asked' or asked_until is not null)
);
create index reply_asked on reply (asked_until) where state = 'asked';
create index reply_open on reply (received_at) where state = 'open';
create index reply_message on reply (message_id) where channel = 'link';
create index reply_person on reply (person_id, received_at);
-- Other replies from a phone or mailbox: staff see them beside a reply, and a later STOP or START is found.
create index reply_address on reply (channel, address, reply_id);

-- Every reading a reply has had: by which rule of which version, or by whom of staff, and the answer it became. Written by
-- the database itself, so that no way of changing a reply leaves it out.
create table reply_classification (
  classification_id bigint generated always as identity primary key,
  reply_id     bigint      not null,
  reading      text        not null,
  rule         text        not null,
  rule_version text        not null,
  reader       text,                 -- a member of staff; null: the rule
  answer_id    bigint,
  at           timestamptz not null default now()
);
create index reply_classification_reply on reply_classification (reply_id, classification_id);

create trigger reply_classification_append_only before update or delete on reply_classification for each row execute function refuse_change();

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
create view reply_shown as
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
left join message_any m on m.message_id = conversation_of(r.message_id)
left join campaign c on c.campaign_id = m.campaign_id
left join subject using (subject_kind, subject_id)
left join answer_label using (answer_kind, answer_id);

-- Replies as lines of a member's history.
create view reply_said as
select
  r.received_at as at, 'reply'::text as kind, r.message_id, r.channel as source, r.reading as label, r.text,
  case r.state when 'open' then r.why_open end as note,
  r.person_id, r.channel, r.address
from reply r;

-- Forgets a year, once every subject that its messages were about has been closed for long enough, and writes down itself who
-- wanted it and what went. Messages that have been put under another year than their step's keep it from going.
create function drop_archive_year(wanted integer, actor jsonb) returns bigint
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  held jsonb;
  total bigint;
  young text;
  misfiled text;
begin
  if to_regclass(format('message_archive_%s', wanted)) is null then
    raise exception 'the archive has no year %', wanted;
  end if;
  -- nobody adds to it while it is counted; queries that read it go on until it is dropped
  execute format('lock table message_archive_%1$s, message_event_archive_%1$s in share mode', wanted);
  select coalesce(sum(t.n), 0), coalesce(jsonb_object_agg(t.name, t.n), '{}'),
    min(t.name) filter (where t.young), min(t.name) filter (where t.misfiled)
  into total, held, young, misfiled
  from (
    select
      coalesce(c.name, 'campaign ' || m.campaign_id, 'transactional messages') as name, sum(m.n) as n,
      bool_or(
        case when m.step_id is null then m.last > now() - archive_delay()
          else c.campaign_id is not null and coalesce(over_at(subject.closes_at, c.finished_at) > now() - archive_delay(), true)
        end
      ) as young,
      bool_or(case when m.step_id is null then m.elsewhere else archive_year(s) is distinct from wanted end) as misfiled
    from (
      select
        campaign_id, step_id, count(*) as n, max(created_at) as last, bool_or(archive_year(created_at) <> wanted) as elsewhere
      from message_archive
      where year = wanted
      group by campaign_id, step_id
    ) m
    left join step s using (step_id)
    left join campaign c on c.campaign_id = m.campaign_id
    left join subject using (subject_kind, subject_id)
    group by m.campaign_id, c.name
  ) t;
  if misfiled is not null then
    raise exception 'messages of % are archived under %, but were not launched in that year', misfiled, wanted
      using hint = 'somebody has moved them there by hand: move them back first';
  end if;
  if young is not null then
    raise exception 'messages of % cannot be forgotten yet', young
      using hint = format('what they were about has to have been over for %s days', extract(day from archive_delay()));
  end if;
  perform forget_transactional(wanted);
  execute format('drop table message_archive_%1$s, message_event_archive_%1$s', wanted);
  perform record_audit(
    drop_archive_year.actor, 'messages.forgotten', 'messages of ' || wanted,
    jsonb_build_object('messages', total, 'campaigns', held, 'login', session_user)
  );
  return total;
end $$;

-- Addresses of a person, by member files and by the messages to them; and whether others have them as well.
create function addresses_of(who bigint) returns table (channel text, address text, listed boolean, shared boolean)
language sql stable parallel safe as $$
  select place.channel, place.address, bool_or(place.listed), exists (
    select from address a where a.channel = place.channel and a.address = place.address and a.person_id <> who
  )
  from (
    select a.channel, a.address, true from address a where a.person_id = who
    union all
    select m.channel, m.address, false from messages_of(who) m
    union all
    select m.channel, m.address, false from message_archive m where m.person_id = who
  ) place (channel, address, listed)
  where place.address !~ '^erased-\d+$'
  group by place.channel, place.address
$$;

-- The erasure that a transaction has begun: whom it is of, as the tables said when the transaction had done nothing yet. What is
-- erased is derived from this row, not from what the login says later. Written by the owner's functions alone; a transaction
-- that leaves its row behind cannot commit.
create table erasure (
  transaction xid8     primary key,
  person_id   bigint,            -- null for somebody known by an address alone
  number      text     not null, -- their membership number; empty without a member
  channels    text[]   not null, -- of their addresses that nobody else has
  addresses   text[]   not null,
  archived    bigint[] not null  -- without a member: messages to the address in the archive
);
create trigger erasure_written before insert or update or delete on erasure
  for each statement execute function only_owner();

create function refuse_unfinished() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  if exists (select from erasure e where e.transaction = new.transaction) then
    raise exception 'an erasure was begun but not finished: call finish_erasure()';
  end if;
  return null;
end $$;
create constraint trigger erasure_is_finished after insert on erasure deferrable initially deferred
  for each row execute function refuse_unfinished();

-- Refuses to begin where anything was written before: whoever could take away an address first, and give it back
-- afterwards, could have the ledgers emptied of a living person.
create function begin_as_first() returns void language plpgsql set search_path = public, pg_temp as $$
begin
  if pg_current_xact_id_if_assigned() is not null then
    raise exception 'this transaction has written or locked something already'
      using hint = 'begin an erasure with the first statement of its transaction';
  end if;
end $$;

-- Begins the erasure of a person.
create function begin_erasure(who bigint) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  number text;
  theirs_channels text[];
  theirs text[];
begin
  perform begin_as_first();
  select p.external_id into number from person p where p.person_id = who and p.erased_at is null for update nowait;
  if not found then
    raise exception 'there is no person %, or they were erased already', who;
  end if;
  select array_agg(place.channel), array_agg(place.address) into theirs_channels, theirs
  from addresses_of(who) place
  where not place.shared and is_whole_address(place.channel, place.address);
  -- each erasure leaves one row in the audit: nobody's addresses are as many as a whole union's
  if cardinality(theirs) > 100 then
    raise exception 'person % has % addresses, more than the 100 that one erasure may have', who, cardinality(theirs)
      using hint = 'remove the addresses that are not theirs: muster people import';
  end if;
  insert into erasure (transaction, person_id, number, channels, addresses, archived)
  values (pg_current_xact_id(), who, number, coalesce(theirs_channels, '{}'), coalesce(theirs, '{}'), '{}');
end $$;

-- Begins the erasure of somebody known by an address alone: one that nobody has, and that something was sent to or heard from.
-- The archive has no index of addresses, so whoever has looked says which messages are in it.
create function begin_erasure_at(its_channel text, its_address text, archived bigint[]) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform begin_as_first();
  if is_whole_address(its_channel, its_address) is not true then
    raise exception 'that is not an address';
  end if;
  if exists (select from address a where a.channel = its_channel and a.address = its_address) then
    raise exception 'that address belongs to a member: begin the erasure of that person';
  end if;
  if exists (
    select from unnest(archived) as given (message_id)
    where not exists (
      select from message_archive m
      where m.message_id = given.message_id and m.channel = its_channel and m.address = its_address
    )
  ) then
    raise exception 'one of these messages was not sent to that address';
  end if;
  if not (
    cardinality(archived) > 0
    or exists (select from messages_to(its_channel, its_address))
    or exists (select from suppression_event e where e.channel = its_channel and e.address = its_address)
    or exists (select from reply r where r.channel = its_channel and r.address = its_address)
    or exists (select from erased_place p where p.channel = its_channel and p.address = its_address)
  ) then
    raise exception 'nothing was ever sent to or heard from that address';
  end if;
  insert into erasure (transaction, person_id, number, channels, addresses, archived)
  values (pg_current_xact_id(), null, '', array[its_channel], array[its_address], archived);
end $$;

-- Where a suppression comes from, of somebody who is being erased. Lists say it in words of their own, which may name the
-- person ("letter from Ann Lee"), or by the name of their file; what Muster itself writes down stays.
create function impersonal_source(source text) returns text language sql immutable parallel safe as $$
  select case
    when source in (
      'link', 'unsubscribe', 'preferences', 'sms_reply', 'email_reply', 'staff', 'twilio', 'vonage', 'smtp', 'bounce',
      'complaint', 'sendgrid', 'mailgun', 'postmark', 'ses', 'before erasure'
    ) then source
    else 'erased'
  end
$$;
grant execute on function impersonal_source to public;

-- Takes out of the ledgers what names a person and leaves what happened, when, and who did it; returns how many rows it changed,
-- and which of the audit, since `muster audit verify` takes no other for emptied.
-- It is of use to its owner alone, whose triggers let nobody else change a ledger: finish_erasure calls it.
create function empty_ledgers(
  who       bigint,   -- the person; null for somebody known by an address alone
  number    text,     -- their membership number; empty without a member
  channels  text[],
  addresses text[],   -- that are theirs alone, by channel
  hot       bigint[], -- their messages in the outbox
  cold      bigint[], -- those in the archive
  others    bigint[], -- messages for other people at the address: only the address goes from their history
  out rows bigint, out audit_ids bigint[]
) language plpgsql set search_path = public, pg_temp as $$
declare
  -- what is only a few digits is a count as well
  sought constant text[] := array(select own.address from unnest(addresses) as own (address) where own.address !~ '^[0-9]');
  -- who works here is named by what they did, for as long as that is kept
  outside constant text[] := array(
    select own.address from unnest(sought) as own (address)
    where not exists (select from staff s where lower(s.email) = own.address)
      and not exists (select from audit a where lower(a.actor) = own.address)
  );
  likes constant text[] := address_likes(outside);
  these bigint;
begin
  perform set_config('muster.erasing', 'on', true);

  -- The audit speaks of people by their id and of opt-outs by their place in the ledger.
  with emptied as (
    update audit_detail set salt = null, detail = '{}' where subject = 'person ' || who and detail <> '{}' returning audit_id
  )
  select coalesce(array_agg(audit_id), '{}') into audit_ids from emptied;
  with emptied as (
    update audit_detail
    set salt = null, subject = without_addresses(subject, outside), detail = jsonb_without(detail, outside)
    where squeezed(subject || ' ' || detail::text) like any (likes)
      and (names_address(subject, outside) or names_address(jsonb_words(detail), outside))
    returning audit_id
  )
  select audit_ids || coalesce(array_agg(audit_id), '{}') into audit_ids from emptied;
  rows := cardinality(audit_ids);

  update suppression_event e set address = 'erased', message_id = null, source = impersonal_source(e.source)
  from unnest(channels, addresses) as a (channel, address)
  where e.channel = a.channel and e.address = a.address;
  get diagnostics these = row_count;
  rows := rows + these;
  update suppression_event e set source = impersonal_source(e.source)
  where e.channel = 'person' and e.address = who::text and e.source <> impersonal_source(e.source);
  get diagnostics these = row_count;
  rows := rows + these;

  update consent_event set source = 'erased', wording = '', message_id = null
  where person_id = who and (source, wording) is distinct from ('erased', '');
  get diagnostics these = row_count;
  rows := rows + these;

  update claim c set recorder = 'erased'
  from ballot b
  where c.ballot_id = b.ballot_id and c.person_id = who and (c.recorder = number or names_address(c.recorder, sought));
  get diagnostics these = row_count;
  rows := rows + these;

  -- what somebody answered stays counted, without their words; the words of others lose the address
  delete from response_comment c using response r where r.response_id = c.response_id and r.person_id = who;
  get diagnostics these = row_count;
  rows := rows + these;
  update response_comment set comment = without_addresses(comment, sought)
  where squeezed(comment) like any (address_likes(sought)) and names_address(comment, sought);
  get diagnostics these = row_count;
  rows := rows + these;
  -- as do staff replies to others; those to the person themselves are emptied with their messages
  update transactional t
  set content = jsonb_without(content, sought)
  where not has_secrets and squeezed(content::text) like any (address_likes(sought)) and names_address(jsonb_words(content), sought);
  get diagnostics these = row_count;
  rows := rows + these;
  update response r set recorder = 'erased'
  where r.person_id = who and (r.recorder = number or names_address(r.recorder, sought));
  get diagnostics these = row_count;
  rows := rows + these;
  -- which answers are about the same date stays, as it says which of them stand; which date that was does not
  update response r set date_at = to_timestamp(d.place)
  from (
    select response_id, dense_rank() over (partition by question_id, campaign_id order by date_at) as place
    from response
    where person_id = who and date_at is not null
  ) d
  where r.response_id = d.response_id and r.date_at <> to_timestamp(d.place);
  get diagnostics these = row_count;
  rows := rows + these;

  update message_event
  set code = case when not names_address(code, sought) and code !~ '@|\d{7}' then code end, detail = impersonal_detail(detail)
  where message_id = any (hot)
    and (detail is distinct from impersonal_detail(detail) or names_address(code, sought) or code ~ '@|\d{7}');
  get diagnostics these = row_count;
  rows := rows + these;
  update message_event_archive
  set code = case when not names_address(code, sought) and code !~ '@|\d{7}' then code end, detail = impersonal_detail(detail)
  where message_id = any (cold)
    and (detail is distinct from impersonal_detail(detail) or names_address(code, sought) or code ~ '@|\d{7}');
  get diagnostics these = row_count;
  rows := rows + these;
  update message_event
  set code = case when not names_address(code, sought) then code end, detail = jsonb_without(detail, sought)
  where message_id = any (others) and (names_address(code, sought) or names_address(jsonb_words(detail), sought));
  get diagnostics these = row_count;
  rows := rows + these;
  update message_event_archive
  set code = case when not names_address(code, sought) then code end, detail = jsonb_without(detail, sought)
  where message_id = any (others) and (names_address(code, sought) or names_address(jsonb_words(detail), sought));
  get diagnostics these = row_count;
  rows := rows + these;

  perform set_config('muster.erasing', 'off', true);
end $$;

-- Finishes the erasure that this transaction has begun: the one way to change a ledger, and to erase a person. It is told nothing:
-- whom, the row of the beginning says, and which messages, the messages, which nobody can change. It does not take an opt-out
-- out of the ledger of which no digest is kept: which digest is whose, only whoever has the key can say, so that this is a
-- reminder for our own code and proves nothing. It writes down itself what it has done. Returns the person's new number.
create function finish_erasure() returns text
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  it erasure;
  anew text;
  hot bigint[] := '{}';
  cold bigint[] := '{}';
  others bigint[] := '{}'; -- to living people: that an address was theirs once makes their history nobody else's
  emptied record;
begin
  delete from erasure e where e.transaction = pg_current_xact_id() returning * into it;
  if not found then
    raise exception 'this transaction has begun no erasure';
  end if;
  if exists (
    select from unnest(it.channels, it.addresses) as own (channel, address)
    join suppression_event e using (channel, address)
    where e.action = 'suppress' and reason_weight(e.reason) = reason_weight('opted_out')
      and not exists (
        select from suppression_event later
        where later.channel = e.channel and later.address = e.address and later.purpose = e.purpose
          and later.action = 'lift' and later.event_id > e.event_id
      )
    group by e.channel, e.address, e.purpose
    having not bool_or(exists (
      select from suppression_digest d where d.channel = e.channel and d.purpose = e.purpose and d.since = e.at
    ))
  ) then
    raise exception 'that address has opted out, and its digest has not been stored';
  end if;

  if it.person_id is not null then
    anew := 'erased-' || left(encode(sha256(convert_to(gen_random_uuid()::text, 'UTF8')), 'hex'), 16);
    delete from address a where a.person_id = it.person_id;
    update person p
    set external_id = anew, first_name = '', last_name = '', unit_id = null, language = 'en', time_zone = 'Europe/London',
      attributes = '{}', left_at = null, struck_off_at = coalesce(struck_off_at, now()), erased_at = now(),
      created_at = now(), updated_at = now()
    where p.person_id = it.person_id;
    hot := array(
      select m.message_id from messages_of(it.person_id) m
      union all
      select m.message_id
      from unnest(it.channels, it.addresses) as own (channel, address)
      cross join lateral messages_to_nobody(own.channel, own.address) m
    );
    cold := array(
      select m.message_id from message_archive m where m.person_id = it.person_id
      union all
      select m.message_id
      from unnest(it.channels, it.addresses) as own (channel, address)
      join message_archive m on m.person_id is null and m.channel = own.channel and m.address = own.address
    );
  else
    others := array(select m.message_id from messages_to(it.channels[1], it.addresses[1]) m) || it.archived;
  end if;

  insert into erased_message (message_id, upto)
  select id, 0 from unnest(hot || cold) as theirs (id)
  union all
  select id, greatest(
    (select max(e.event_id) from message_event e where e.message_id = id),
    (select max(e.event_id) from message_event_archive e where e.message_id = id), 0
  )
  from unnest(others) as went (id)
  on conflict (message_id) do update set upto = least(erased_message.upto, excluded.upto), erased_at = excluded.erased_at;

  perform set_config('muster.erasing', 'on', true);
  update message set address = 'erased-' || message_id
  where message_id = any (hot || others) and address <> 'erased-' || message_id;
  update message_archive set address = 'erased-' || message_id
  where message_id = any (cold || others) and address <> 'erased-' || message_id;

  emptied := empty_ledgers(it.person_id, it.number, it.channels, it.addresses, hot, cold, others);
  perform record_own_action(
    'ledgers.emptied', coalesce('person ' || it.person_id, 'an address'),
    jsonb_build_object(
      'rows', emptied.rows, 'addresses', cardinality(it.addresses), 'audit', emptied.audit_ids, 'login', session_user
    )
  );
  return anew;
end $$;

grant execute on function over_at, starts_after, addresses_of to public;

-- migrate:down
