-- migrate:up

-- A question that people are asked: its answers are named, pressed, texted or written.
create table question (
  question_id  bigint generated always as identity primary key,
  name         text        not null unique, -- what commands and files call it: visit-2026
  title        text        not null,
  organisation text        not null default '',
  asks         text        not null,        -- the question's words
  comment      text,                        -- the words over the box for a comment; empty: ours; null: no box
  opens_at     timestamptz not null default '-infinity',
  closes_at    timestamptz not null,
  time_zone    text        not null default 'Europe/London', -- of its dates, in files and on pages
  letter       text        not null check (letter ~ '^[A-Z]$'), -- tells it from others that are open to the same phone
  translations jsonb       not null default '{}', -- by language: title, asks, comment, answers with label and words
  goal_id      bigint      not null unique references goal,
  created_at   timestamptz not null default now(),
  check (opens_at < closes_at)
);
create index question_closes on question (closes_at);

create table question_answer (
  question_id bigint   not null references question,
  name        text     not null,
  position    smallint not null,            -- the order in which people see them
  label       text     not null,
  digit       text     check (digit ~ '^[0-9]$'),
  words       text[]   not null default '{}',
  low         boolean  not null default false, -- somebody of staff looks into it
  primary key (question_id, name),
  unique (question_id, position),
  unique (question_id, digit)
);

-- A question with its answers, in their order.
create view question_described as
select
  q.question_id, q.name, q.title, q.organisation, q.asks, q.comment, nullif(q.opens_at, '-infinity') as opens_at, q.closes_at,
  q.time_zone, q.letter, q.translations, q.goal_id, a.answers
from question q
cross join lateral (
  select jsonb_agg(to_jsonb(a) - 'question_id' order by a.position) as answers
  from question_answer a
  where a.question_id = q.question_id
) a;

-- Ledger of responses: what somebody answered to one question. Append-only: a change of mind is another response, an undo a
-- response that retracts one. An answer to a message that was due before a date of its person is about that date; that the person
-- has another one now is a row of its own, of the source date_change.
create table response (
  response_id bigint generated always as identity primary key,
  question_id bigint      not null references question,
  person_id   bigint      not null references person,
  answer      text,                  -- null: a comment alone, a retraction, or another date
  source      text        not null check (source in ('link', 'sms_reply', 'email_reply', 'staff', 'date_change')),
  recorder    text        not null,  -- who wrote it down: member, a member of staff, or muster
  at          timestamptz not null default now(),
  message_id  bigint,                -- the message it answers
  campaign_id bigint,                -- and the campaign of that
  retracts    bigint      unique references response,
  date_at     timestamptz,           -- the date that it is about; null: about none
  foreign key (question_id, answer) references question_answer (question_id, name),
  check (retracts is null or answer is null),
  check (source <> 'date_change' or answer is null and retracts is null and campaign_id is not null and date_at is not null)
);
create index response_person on response (question_id, person_id, response_id);
create index response_retracted on response (retracts) where retracts is not null;
create index response_date on response (question_id, person_id, campaign_id, response_id) where source = 'date_change';
create trigger response_append_only before update on response for each row execute function only_erasure('recorder', 'date_at');
create trigger response_stays before delete on response for each statement execute function refuse_change();

-- The words of a response, apart from the ledger, so that they can be deleted while what was answered stays counted: when the
-- person takes them back, or is erased.
create table response_comment (
  response_id bigint primary key references response,
  comment     text   not null
);
create trigger response_comment_unchanged before update on response_comment for each row execute function only_erasure('comment');

-- Answers that stand: they have not been retracted, and are about no date, or about the one that their person has as far as their
-- campaign knows.
create view response_standing as
select r.response_id, r.question_id, r.person_id, r.answer, r.campaign_id, r.at
from response r
where r.answer is not null
  and not exists (select from response undone where undone.retracts = r.response_id)
  and (r.date_at is null or r.date_at = coalesce(
    (select latest.date_at from response latest
     where latest.question_id = r.question_id and latest.person_id = r.person_id and latest.campaign_id = r.campaign_id
       and latest.source = 'date_change'
     order by latest.response_id desc
     limit 1),
    r.date_at
  ));

-- Present answer of each person: the latest that stands.
create table response_status (
  question_id bigint not null references question,
  person_id   bigint not null references person,
  response_id bigint not null references response,
  answer      text   not null,
  campaign_id bigint,
  unit_id     bigint references unit, -- in which it is counted: the person's when they answered
  primary key (question_id, person_id)
);
create index response_status_answer on response_status (question_id, answer);

-- Present answers by campaign and unit, as changes that are added and compacted later, so that answers never wait for each
-- other.
create table response_count (
  response_count_id bigint generated always as identity primary key,
  question_id       bigint not null references question,
  campaign_id       bigint,
  unit_id           bigint references unit, -- null: people without a unit
  answer            text   not null,
  n                 bigint not null
);
create index response_count_question on response_count (question_id, campaign_id, unit_id, answer) include (n);

-- Label of the answer that each response is; where it is a comment alone, of its author's present answer.
create view response_label as
select r.response_id, meant.label
from response r
left join response_status present using (question_id, person_id)
join question_answer meant on meant.question_id = r.question_id and meant.name = coalesce(r.answer, present.answer);

-- Responses as lines of a person's history.
create view response_said as
select
  r.at,
  case
    when r.source = 'date_change' then r.source
    when coalesce(r.answer, undone.answer) is null then case when r.retracts is null then 'comment' else 'comment_retracted' end
    when r.retracts is null then 'claim' else 'retraction'
  end as kind,
  r.message_id, r.source,
  case
    when r.source = 'date_change' then to_char(r.date_at at time zone q.time_zone, 'FMDay FMDD FMMonth YYYY, HH24:MI')
    else meant.label
  end as label,
  q.name as subject_name, c.comment as text,
  nullif(r.recorder, 'member') as note, r.person_id, r.question_id, undone.message_id as undone_message_id
from response r
join question q using (question_id)
left join response undone on undone.response_id = r.retracts
left join question_answer meant
  on meant.question_id = r.question_id and meant.name = coalesce(r.answer, undone.answer)
left join response_comment c on c.response_id = r.response_id;

-- migrate:down
