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
grant select on question to muster_staff, muster_staff_all;

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
grant select on question_answer to muster_staff, muster_staff_all;

-- A question with its answers, in their order.
create view question_described with (security_invoker = true) as
select
  q.question_id, q.name, q.title, q.organisation, q.asks, q.comment, nullif(q.opens_at, '-infinity') as opens_at, q.closes_at,
  q.time_zone, q.letter, q.translations, q.goal_id, a.answers
from question q
cross join lateral (
  select jsonb_agg(to_jsonb(a) - 'question_id' order by a.position) as answers
  from question_answer a
  where a.question_id = q.question_id
) a;
grant select on question_described to muster_staff, muster_staff_all;

-- Ledger of responses: what somebody answered to one question. Append-only: a change of mind is another response, an undo a
-- response that retracts one. An answer to a message that was due before a date of its person is about that date; that the person
-- has another one now is a row of its own, of the source date_change. What somebody said is seen where the person is.
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
alter table response enable row level security;
create policy worker on response to muster_worker using (true) with check (true);
create policy staff on response for select to muster_staff using (
  exists (select from person p where p.person_id = response.person_id)
);
create policy staff_all on response for select to muster_staff_all using ((select scope_is_everywhere()));
grant select (response_id, question_id, person_id, answer, source, at, message_id, campaign_id, retracts, date_at) on response
  to muster_staff, muster_staff_all;

-- The words of a response, apart from the ledger, so that they can be deleted while what was answered stays counted: when the
-- person takes them back, or is erased. They are for no login of staff to read, as people write their numbers into them.
create table response_comment (
  response_id bigint primary key references response,
  comment     text   not null
);
create trigger response_comment_unchanged before update on response_comment for each row execute function only_erasure('comment');

-- Valid answers: they have not been retracted, and are about no date, or about the one that their person has as far as their
-- campaign knows.
create view valid_response with (security_invoker = true) as
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

-- Present answer of each person: the latest that is valid. Answers and counts belong to the unit they are counted in.
create table response_status (
  question_id bigint not null references question,
  person_id   bigint not null references person,
  response_id bigint not null references response,
  answer      text   not null,
  campaign_id bigint,
  unit_id     bigint references unit, -- in which it is counted: the person's when they answered
  primary key (question_id, person_id)
);
-- Not by the question first: for one that statistics do not know yet, that looked as good as the primary key.
create index response_status_answer on response_status (answer, question_id);
alter table response_status enable row level security;
create policy worker on response_status to muster_worker using (true) with check (true);
create policy staff on response_status for select to muster_staff using (unit_id = any ((select scope_units())::bigint[]));
create policy staff_all on response_status for select to muster_staff_all using ((select scope_is_everywhere()));
grant select on response_status to muster_staff, muster_staff_all;

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
alter table response_count enable row level security;
create policy worker on response_count to muster_worker using (true) with check (true);
create policy staff on response_count for select to muster_staff using (unit_id = any ((select scope_units())::bigint[]));
create policy staff_all on response_count for select to muster_staff_all using ((select scope_is_everywhere()));
grant select on response_count to muster_staff, muster_staff_all;

-- Label of the answer that each response is; where it is a comment alone, of its author's present answer.
create view response_label with (security_invoker = true) as
select r.response_id, meant.label
from response r
left join response_status present using (question_id, person_id)
join question_answer meant on meant.question_id = r.question_id and meant.name = coalesce(r.answer, present.answer);
grant select on response_label to muster_staff, muster_staff_all;

-- Responses as lines of a person's history.
create view response_said with (security_invoker = true) as
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

-- Answers for reports: each question as a whole, and each unit with everything below it. Left out is what would tell of few
-- people: units from which fewer than ten have answered, figures below five, and, so that nobody gets these by taking the parts
-- from the whole, the smallest of the others wherever what is left out of a unit is still that little. Where a unit is left
-- out, all below it is.
create view report_answers with (security_barrier) as
with direct as (
  select question_id, unit_id, answer, sum(n) as n from response_count group by question_id, unit_id, answer
), spread as (
  select question_id, 0 as unit_id, answer, n from direct -- 0: everybody
  union all
  select d.question_id, above.unit_id, d.answer, d.n
  from direct d
  join unit u using (unit_id)
  cross join lateral unnest(u.lineage) as above (unit_id)
), summed as (
  select question_id, unit_id, answer, sum(n)::bigint as n from spread group by question_id, unit_id, answer
), answered as (
  select question_id, unit_id, sum(n) as n from summed group by question_id, unit_id
), sized as (
  select a.question_id, a.unit_id, coalesce(u.parent_id, 0) as parent_id, u.lineage, a.n, a.n >= 10 as is_large
  from answered a
  join unit u using (unit_id)
), small as (
  select question_id, unit_id
  from (
    select
      z.question_id, z.unit_id, z.is_large,
      row_number() over (partition by z.question_id, z.parent_id, z.is_large order by z.n, z.unit_id) as nth,
      above.n - sum(z.n) filter (where z.is_large) over (partition by z.question_id, z.parent_id) as rest
    from sized z
    join answered above on above.question_id = z.question_id and above.unit_id = z.parent_id
  ) z
  where not is_large or nth = 1 and rest between 1 and 9
), shown as (
  select question_id, unit_id, parent_id, lineage from sized
  except
  select z.question_id, z.unit_id, z.parent_id, z.lineage
  from sized z
  cross join lateral unnest(z.lineage) as above (unit_id)
  join small on small.question_id = z.question_id and small.unit_id = above.unit_id
), cell as (
  select question_id, unit_id, z.parent_id, z.lineage, s.answer, s.n, s.n >= 5 as is_large
  from summed s
  join shown z using (question_id, unit_id)
), small_cell as (
  select question_id, unit_id, answer
  from (
    select
      c.question_id, c.unit_id, c.answer, c.is_large,
      row_number() over (partition by c.question_id, c.parent_id, c.answer, c.is_large order by c.n, c.unit_id) as nth,
      above.n - sum(c.n) filter (where c.is_large) over (partition by c.question_id, c.parent_id, c.answer) as rest
    from cell c
    join summed above on above.question_id = c.question_id and above.unit_id = c.parent_id and above.answer = c.answer
  ) c
  where not is_large or nth = 1 and rest between 1 and 4
), published as (
  select question_id, unit_id, answer, n from summed where unit_id = 0
  union all
  select question_id, unit_id, answer, n from cell
  except
  select c.question_id, c.unit_id, c.answer, c.n
  from cell c
  cross join lateral unnest(c.lineage) as above (unit_id)
  join small_cell small on small.question_id = c.question_id and small.unit_id = above.unit_id and small.answer = c.answer
)
select
  q.name as question, q.title, k.kind as unit_kind,
  (
    select string_agg(above.name, ' / ' order by step.n)
    from unnest(k.lineage) with ordinality as step (unit_id, n)
    join unit above using (unit_id)
  ) as unit,
  a.label as answer, t.n
from published t
join question q on q.question_id = t.question_id
join question_answer a on a.question_id = t.question_id and a.name = t.answer
left join unit k on k.unit_id = t.unit_id
where t.n > 0;
grant select on report_answers to muster_reports;

-- migrate:down
