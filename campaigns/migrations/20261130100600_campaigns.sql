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
grant select on notice to muster_staff, muster_staff_all;

-- Everything a campaign can ask about. `details` is what only its kind has, for the class of that kind (campaigns/subjects);
-- the rest is read by queries, which join this view by kind and id. `letter` stands behind its digits where something else is
-- open to the same phone.
create view subject with (security_invoker = true) as
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
grant select on subject to muster_staff, muster_staff_all;

-- What each person is known to have answered about a subject; `said_at` is the message whose link they said it by, if they did.
create view subject_status with (security_invoker = true) as
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
create view answer_label with (security_invoker = true) as
select 'question'::text as answer_kind, response_id as answer_id, label from response_label;
grant select on answer_label to muster_staff, muster_staff_all;

-- Answers as lines of a person's history.
create view answer_said with (security_invoker = true) as
select
  at, kind, message_id, source, label, null::text as text, note, person_id, 'ballot'::text as subject_kind,
  ballot_id as subject_id, subject_name, undone_message_id
from claim_said
union all
select
  at, kind, message_id, source, label, text, note, person_id, 'question', question_id, subject_name, undone_message_id
from response_said;

-- Whom a campaign is for and what it says is for no login of staff to read.
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
grant select (
  campaign_id, name, title, subject_kind, subject_id, state, paused_reason, created_at, launched_at, finished_at
) on campaign to muster_staff, muster_staff_all;

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

-- Messages for reports: how many of each step are in which state, and for which reason, archived ones too.
create view report_messages with (security_barrier) as
select
  c.name as campaign, c.title, s.position as step, s.template, m.channel, m.state::text as state, m.reason,
  sum(m.n)::bigint as n, sum(m.segments)::bigint as segments
from (
  select step_id, channel, state, reason, count(*) as n, coalesce(sum(segments), 0) as segments
  from message
  where step_id is not null
  group by step_id, channel, state, reason
  union all
  select step_id, channel, state, reason, n, segments from step_total where step_id is not null
) m
join step s using (step_id)
join campaign c using (campaign_id)
group by c.name, c.title, s.position, s.template, m.channel, m.state, m.reason;
grant select on report_messages to muster_reports;

-- Deletes a year, once every subject that its messages were about has been closed for long enough, and writes down itself who
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
    raise exception 'messages of % cannot be deleted yet', young
      using hint = format('what they were about has to have been over for %s days', extract(day from archive_delay()));
  end if;
  perform forget_transactional(wanted);
  execute format('drop table message_archive_%1$s, message_event_archive_%1$s', wanted);
  perform record_audit(
    drop_archive_year.actor, 'messages.deleted', 'messages of ' || wanted,
    jsonb_build_object('messages', total, 'campaigns', held, 'login', session_user)
  );
  return total;
end $$;

grant execute on function over_at, starts_after to public;

-- migrate:down
