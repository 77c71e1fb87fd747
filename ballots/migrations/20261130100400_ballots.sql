-- migrate:up

create table ballot (
  ballot_id          bigint generated always as identity primary key,
  name               text        not null unique, -- what commands and files call it: pay-2026
  title              text        not null,
  organisation       text        not null default '',
  opens_at           timestamptz not null,
  closes_at          timestamptz not null,
  time_zone          text        not null default 'Europe/London', -- of its dates, in files and on pages
  last_posting_at    timestamptz,
  replacement_by     timestamptz,                        -- last moment to ask for another ballot paper
  threshold          numeric     not null check (threshold > 0 and threshold <= 1), -- turnout, as data: the law changes
  disaggregated      boolean     not null default false, -- each constituency must pass by itself
  constituency       text        not null default 'branch', -- the kind of unit a disaggregated ballot counts by
  over_report        numeric     not null default 0.13,  -- how much self-report over-states turnout; see ballots/score.py
  attributes         jsonb       not null default '{}',  -- that electors must have, beside the units, as an audience's filter
  goal_id            bigint      not null unique references goal,
  reach_due_at       timestamptz not null default '-infinity', -- when reach is to be counted next, by one worker for all
  reach_final_at     timestamptz,                        -- the ballot is over, and reach is not counted any more from here on
  contacted_final_at timestamptz,                        -- nor are the contacted: their messages have begun to be archived
  created_at         timestamptz not null default now(),
  check (opens_at < closes_at)
);
grant select on ballot to muster_staff, muster_staff_all;

-- The units whose members may vote; none listed means everybody.
create table ballot_unit (
  ballot_id bigint not null references ballot,
  unit_id   bigint not null references unit,
  primary key (ballot_id, unit_id)
);
grant select on ballot_unit to muster_staff, muster_staff_all;

-- The electorate, and the unit each elector counts in; null: no unit is known, so only in the ballot as a whole. Electors and counts
-- belong to the unit they are counted in; what somebody said is seen where the person is.
create table elector (
  ballot_id   bigint      not null references ballot,
  person_id   bigint      not null references person,
  unit_id     bigint      references unit,
  enrolled_at timestamptz not null default now(),
  primary key (ballot_id, person_id)
);
-- No second index begins with the ballot: for one that statistics do not know yet, each looks as good as the primary key, and
-- would be read from end to end for each person.
create index elector_unit on elector (unit_id, ballot_id);
create index elector_person on elector (person_id);
alter table elector enable row level security;
create policy worker on elector to muster_worker using (true) with check (true);
create policy staff on elector for select to muster_staff using (unit_id = any ((select scope_units())::bigint[]));
create policy staff_all on elector for select to muster_staff_all using ((select scope_is_everywhere()));
grant select on elector to muster_staff, muster_staff_all;

-- Ledger of claims: what somebody said about one member and one ballot. Append-only: a correction is another claim.
create table claim (
  claim_id   bigint generated always as identity primary key,
  ballot_id  bigint      not null references ballot,
  person_id  bigint      not null references person,
  kind       text        not null check (
    kind in ('voted', 'will_vote', 'not_voted', 'no_ballot_paper', 'replacement_requested', 'refused', 'retracted')
  ),
  source     text        not null check (
    source in ('link', 'sms_reply', 'email_reply', 'rep', 'phone_bank', 'import', 'scrutineer')
  ),
  recorder   text        not null, -- who wrote it down: member, or a member of staff
  confidence real        not null check (confidence > 0 and confidence <= 1),
  at         timestamptz not null default now(),
  message_id bigint,
  retracts   bigint      unique references claim,
  check ((kind = 'retracted') = (retracts is not null))
);
create index claim_person on claim (ballot_id, person_id, claim_id);
create trigger claim_append_only before update on claim for each row execute function only_erasure('recorder');
create trigger claim_stays before delete on claim for each statement execute function refuse_change();
alter table claim enable row level security;
create policy worker on claim to muster_worker using (true) with check (true);
create policy staff on claim for select to muster_staff using (
  exists (select from person p where p.person_id = claim.person_id)
);
create policy staff_all on claim for select to muster_staff_all using ((select scope_is_everywhere()));
grant select (claim_id, ballot_id, person_id, kind, source, confidence, at, message_id, retracts) on claim
  to muster_staff, muster_staff_all;

-- Present status of each member: the latest unretracted claim by strength.
create table claim_status (
  ballot_id bigint not null references ballot,
  person_id bigint not null references person,
  claim_id  bigint not null references claim,
  kind      text   not null,
  source    text   not null,
  primary key (ballot_id, person_id)
);
create index claim_status_kind on claim_status (kind, ballot_id, source); -- not by the ballot first, see elector_unit
alter table claim_status enable row level security;
create policy worker on claim_status to muster_worker using (true) with check (true);
create policy staff on claim_status for select to muster_staff using (
  exists (select from person p where p.person_id = claim_status.person_id)
);
create policy staff_all on claim_status for select to muster_staff_all using ((select scope_is_everywhere()));
grant select on claim_status to muster_staff, muster_staff_all;

-- Counts by unit, as count changes that are added and compacted later, so that confirmations never wait for each other.
create table count_change (
  count_change_id bigint generated always as identity primary key,
  ballot_id       bigint not null references ballot,
  unit_id         bigint references unit, -- null: electors without a unit
  measure         text   not null, -- electorate, reachable, reachable_sms, reachable_email, contacted, or a claim's kind
  n               bigint not null
);
create index count_change_ballot on count_change (ballot_id, unit_id, measure) include (n);
alter table count_change enable row level security;
create policy worker on count_change to muster_worker using (true) with check (true);
create policy staff on count_change for select to muster_staff using (unit_id = any ((select scope_units())::bigint[]));
create policy staff_all on count_change for select to muster_staff_all using ((select scope_is_everywhere()));
grant select on count_change to muster_staff, muster_staff_all;

-- The change feed: claims in the order they were committed. `feed_backlog` is what the next reader has to number.
create table feed_backlog (
  claim_id bigint primary key references claim
);
create table turnout_change (
  seq       bigint generated always as identity primary key,
  ballot_id bigint not null references ballot,
  claim_id  bigint not null unique references claim
);
create index turnout_change_ballot on turnout_change (ballot_id, seq);

-- The exports that the clock asks for, one for each ballot and time.
create table turnout_export (
  ballot_id   bigint      not null references ballot,
  slot        timestamptz not null,           -- the time it was due
  tries       smallint    not null default 0,
  next_try_at timestamptz not null,
  problem     text,
  place       text,                           -- where it went
  members     integer,
  done_at     timestamptz,
  primary key (ballot_id, slot)
);

-- Claims as lines of a member's history.
create view claim_said with (security_invoker = true) as
select
  c.at, case when c.retracts is null then 'claim' else 'retraction' end as kind, c.message_id, c.source,
  coalesce(undone.kind, c.kind) as label, b.name as subject_name, nullif(c.recorder, 'member') as note,
  c.person_id, c.ballot_id, undone.message_id as undone_message_id
from ballot b
join claim c on c.ballot_id = b.ballot_id
left join claim undone on undone.claim_id = c.retracts;

-- Turnout for reports: each ballot as a whole, and each unit with everything below it. Left out is what would tell of few people:
-- units in which fewer than ten may vote, figures below five, and, so that nobody gets these by taking the parts from the whole,
-- the smallest of the others wherever what is left out of a unit is still that little. Where a unit is left out, all below it is.
create view report_turnout with (security_barrier) as
with direct as (
  select ballot_id, unit_id, measure, sum(n) as n from count_change group by ballot_id, unit_id, measure
), spread as (
  select ballot_id, 0 as unit_id, measure, n from direct -- 0: the whole ballot
  union all
  select d.ballot_id, above.unit_id, d.measure, d.n
  from direct d
  join unit u using (unit_id)
  cross join lateral unnest(u.lineage) as above (unit_id)
), summed as (
  select ballot_id, unit_id, measure, sum(n)::bigint as n from spread group by ballot_id, unit_id, measure
), sized as (
  select s.ballot_id, s.unit_id, coalesce(u.parent_id, 0) as parent_id, u.lineage, s.n, s.n >= 10 as is_large
  from summed s
  join unit u using (unit_id)
  where s.measure = 'electorate'
), small as (
  select ballot_id, unit_id
  from (
    select
      z.ballot_id, z.unit_id, z.is_large,
      row_number() over (partition by z.ballot_id, z.parent_id, z.is_large order by z.n, z.unit_id) as nth,
      above.n - sum(z.n) filter (where z.is_large) over (partition by z.ballot_id, z.parent_id) as rest
    from sized z
    join summed above on above.ballot_id = z.ballot_id and above.unit_id = z.parent_id and above.measure = 'electorate'
  ) z
  where not is_large or nth = 1 and rest between 1 and 9
), shown as (
  select ballot_id, unit_id, parent_id, lineage from sized
  except
  select z.ballot_id, z.unit_id, z.parent_id, z.lineage
  from sized z
  cross join lateral unnest(z.lineage) as above (unit_id)
  join small on small.ballot_id = z.ballot_id and small.unit_id = above.unit_id
), cell as (
  select ballot_id, unit_id, z.parent_id, z.lineage, s.measure, s.n, s.n >= 5 as is_large
  from summed s
  join shown z using (ballot_id, unit_id)
), small_cell as (
  select ballot_id, unit_id, measure
  from (
    select
      c.ballot_id, c.unit_id, c.measure, c.is_large,
      row_number() over (partition by c.ballot_id, c.parent_id, c.measure, c.is_large order by c.n, c.unit_id) as nth,
      above.n - sum(c.n) filter (where c.is_large) over (partition by c.ballot_id, c.parent_id, c.measure) as rest
    from cell c
    join summed above on above.ballot_id = c.ballot_id and above.unit_id = c.parent_id and above.measure = c.measure
  ) c
  where not is_large or nth = 1 and rest between 1 and 4
), published as (
  select ballot_id, unit_id, measure, n from summed where unit_id = 0
  union all
  select ballot_id, unit_id, measure, n from cell
  except
  select c.ballot_id, c.unit_id, c.measure, c.n
  from cell c
  cross join lateral unnest(c.lineage) as above (unit_id)
  join small_cell small on small.ballot_id = c.ballot_id and small.unit_id = above.unit_id and small.measure = c.measure
)
select
  b.name as ballot, b.title, k.kind as unit_kind,
  (
    select string_agg(above.name, ' / ' order by step.n)
    from unnest(k.lineage) with ordinality as step (unit_id, n)
    join unit above using (unit_id)
  ) as unit,
  t.measure, t.n
from published t
join ballot b on b.ballot_id = t.ballot_id
left join unit k on k.unit_id = t.unit_id;
grant select on report_turnout to muster_reports;

-- migrate:down
