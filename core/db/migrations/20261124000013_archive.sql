-- migrate:up

-- Messages of campaigns that are long over, kept for "why did this person get nothing?" and out of the way of those that
-- are still sent. One partition for each year steps were launched in, so that a year is forgotten by dropping two tables;
-- the key is the number of the year, because events belong to the year of their message, whenever they happened. No
-- foreign keys, and only the indexes that questions need. What a message said about its person (variables) is not kept.
create table message_archive (
  message_id  bigint        not null,
  step_id     bigint        not null,
  campaign_id bigint        not null,
  person_id   bigint        not null,
  sender_id   bigint,
  created_at  timestamptz   not null,
  sent_at     timestamptz,
  changed_at  timestamptz   not null,
  state       message_state not null,
  year        smallint      not null,
  attempt     smallint      not null,
  segments    smallint,
  channel     text,
  address     text,
  reason      text,
  provider_id text,
  primary key (message_id, year),
  check (state not in ('queued', 'sending', 'ambiguous')) -- so that looking for what waits never reads the archive
) partition by list (year);
create index message_archive_person on message_archive (person_id, message_id);
create index message_archive_step on message_archive (step_id, message_id);

create table message_event_archive (
  message_id bigint      not null,
  event_id   bigint      not null,
  at         timestamptz not null,
  state      message_state,
  year       smallint    not null,
  source     text        not null,
  code       text,
  detail     jsonb,
  primary key (message_id, event_id, year)
) partition by list (year);

-- What became of the archived messages of each step, in numbers: reports add it to what is still in `message`, and stay
-- right while a step is being moved, and when its year has been forgotten.
create table step_total (
  step_id  bigint        not null references step,
  channel  text,
  state    message_state not null,
  reason   text,
  sent     boolean       not null, -- whether a provider took them
  n        bigint        not null,
  segments bigint        not null,
  opened   bigint        not null, -- of those, the ones whose page something that looks like a browser has looked at
  unique nulls not distinct (step_id, channel, state, reason, sent)
);

-- From here on a ballot's "contacted" is no longer counted anew: messages that say so have begun to leave.
alter table ballot add column contacted_final_at timestamptz;

-- Both places, for questions that are seldom asked. Nothing that sends, receives or watches may use these.
create view message_any as
select
  message_id, step_id, campaign_id, person_id, channel, address, sender_id, state, reason, attempt, provider_id, segments,
  not_before, created_at, sent_at, changed_at
from message
union all
select
  message_id, step_id, campaign_id, person_id, channel, address, sender_id, state, reason, attempt, provider_id, segments,
  null, created_at, sent_at, changed_at
from message_archive;

create view message_event_any as
select message_id, event_id, at, state, source, code, detail from message_event
union all
select message_id, event_id, at, state, source, code, detail from message_event_archive;

create function make_archive_year(wanted integer) returns void language plpgsql as $$
begin
  execute format('create table message_archive_%1$s partition of message_archive for values in (%1$s)', wanted);
  execute format('create table message_event_archive_%1$s partition of message_event_archive for values in (%1$s)', wanted);
end $$;

create function drop_archive_year(wanted integer) returns void language plpgsql as $$
begin
  execute format('drop table message_archive_%1$s, message_event_archive_%1$s', wanted);
end $$;

-- Whose message it was, wherever it is by now. A function, so that what asks it touches the archive only when it has to.
create function person_of_message(wanted bigint) returns bigint language plpgsql stable as $$
declare
  found_person bigint;
begin
  select m.person_id into found_person from message m where m.message_id = wanted;
  if not found then
    select a.person_id into found_person from message_archive a where a.message_id = wanted;
  end if;
  return found_person;
end $$;

-- As before, but an opt-out can be taken back on a page also where the message it was made by has been archived.
create or replace view member_asked as
select
  l.digest, l.action,
  m.message_id, m.person_id, m.channel, m.address, m.sent_at,
  p.first_name, p.language,
  b.title, b.organisation, b.opens_at, b.closes_at, b.time_zone, b.last_posting_at, b.replacement_by,
  s.kind as standing,
  exists (
    select from claim c
    where c.claim_id = s.claim_id and c.source = 'link' and c.message_id = m.message_id
  ) as said_here,
  exists (
    select from suppression x
    where x.reason = 'opted_out'
      and (x.channel, x.address) in ((m.channel, m.address), ('person', m.person_id::text))
  ) as stopped,
  exists (
    select from suppression x
    join suppression_event e using (event_id)
    where x.reason = 'opted_out' and e.source in ('link', 'unsubscribe')
      and (x.channel, x.address) in ((m.channel, m.address), ('person', m.person_id::text))
      and person_of_message(e.message_id) = m.person_id
  ) as stopped_by_link
from link l
join message m using (message_id)
join campaign c using (campaign_id)
join ballot b using (ballot_id)
join person p using (person_id)
left join standing s on s.ballot_id = b.ballot_id and s.person_id = m.person_id
where l.revoked_at is null;

-- migrate:down
