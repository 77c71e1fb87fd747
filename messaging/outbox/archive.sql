-- name: is_sending
-- Whether anything is being launched or sent, or could be sent now. Messages of a paused sender do not count.
select exists (select from in_flight where step_of_queue(queue_id) is not null) or exists (
  select from step s
  where s.state = 'launching'
    or s.state = 'running' and exists (
      select from unnest(s.channels) as c (channel)
      join sender f on f.sender_id = case c.channel when 'sms' then s.sms_sender_id else s.email_sender_id end
      where f.paused_reason is null and exists (
        select from queue q
        where q.queue_id = queue_of(s.step_id, c.channel, null) and q.not_before <= $1
      )
    )
);

-- name: set_short_timeouts
-- Limits the wait for a lock: making or dropping a year's tables locks out everybody who reads the archive.
set local lock_timeout = '2s';

-- name: find_year
-- The year under which a step's messages are archived, and whether the archive has it.
select y.year, to_regclass('message_archive_' || y.year) is not null as made
from step s
cross join lateral archive_year(s) as y (year)
where s.step_id = $1;

-- name: list_missing_years
-- The years of transactional messages that may be archived and that the archive lacks.
select distinct y.year
from message m
cross join lateral archive_year(m.created_at) as y (year)
where m.step_id is null and m.state not in ('queued', 'sending', 'ambiguous') and m.created_at < least($1, now() - archive_delay())
  and to_regclass('message_archive_' || y.year) is null;

-- name: choose_transactional
-- Some transactional messages that are old enough, chosen as in choose_messages.
select m.message_id
from message m
where m.step_id is null and m.state not in ('queued', 'sending', 'ambiguous') and m.created_at < least($1, now() - archive_delay())
order by m.message_id
limit $2
for update of m skip locked;

-- name: make_year
-- Adds the tables of a year.
select make_archive_year($1);

-- name: choose_messages
-- Some messages of a step that is still over: resuming a sender reopens a finished step. Messages of unknown outcome
-- wait for manual review and stay. Rows that another transaction has locked (a late receipt) are left for the next run.
-- Other transactions wait for the rows locked here, and then find them in the archive.
select m.message_id
from message m
join step s using (step_id)
where m.step_id = $1 and s.state in ('finished', 'cancelled') and m.state not in ('queued', 'sending', 'ambiguous')
order by m.person_id
limit $2
for update of m skip locked;

-- name: add_totals
-- The step's totals for reports, before the rows are moved. $2: messages whose page somebody has opened. Test messages
-- count nowhere.
insert into step_total (step_id, channel, state, reason, sent, n, segments, opened)
select
  m.step_id, m.channel, m.state, m.reason, m.sent_at is not null, count(*), coalesce(sum(m.segments), 0),
  count(*) filter (where m.message_id = any ($2::bigint[]))
from message m
where m.message_id = any ($1::bigint[])
  and not exists (select from transactional t where t.message_id = m.message_id and t.kind = 'test')
group by 1, 2, 3, 4, 5
on conflict (step_id, channel, state, reason, sent) do update
  set n = step_total.n + excluded.n, segments = step_total.segments + excluded.segments,
      opened = step_total.opened + excluded.opened;

-- name: move_messages
-- Moves messages with their history, by a function of the tables' owner: no other role may delete a message or its
-- history.
select moved, events from archive_messages($1::bigint[]);

-- name: delete_links
-- Deletes the links of archived messages, which have stopped working. That an unsubscribe link is revoked stays: an email's works
-- in the archive, too, and needs no row for that.
delete from link
where message_id = any ($1::bigint[]) and not (revoked_at is not null and action = 'unsubscribe');

-- name: delete_tries
-- Deletes the provider's ids of earlier tries: no more receipts will come for them.
delete from message_try where message_id = any ($1::bigint[]);

-- name: find_archived
-- Archived messages that receipts are about; locked, so that two late receipts do not give their events the same
-- number.
select message_id, provider_id, state, step_id, channel, address, year
from message_archive
where message_id = any ($1::bigint[])
order by message_id
for update;

-- name: record_receipts
-- Adds receipts to the history of archived messages, whose state no longer changes.
insert into message_event_archive (message_id, event_id, at, state, source, code, detail, year)
select
  t.message_id,
  (select coalesce(max(e.event_id), 0) from message_event_archive e where e.message_id = t.message_id)
    + row_number() over (partition by t.message_id order by t.n),
  t.at, null, t.source, t.code, t.detail, t.year
from unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::jsonb[], $6::smallint[]) with ordinality
  as t (message_id, at, source, code, detail, year, n);

-- name: list_years
-- Years of the archive, by its tables.
select right(c.relname, 4)::int as year, pg_total_relation_size(c.oid) as bytes
from pg_inherits i
join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'message_archive'::regclass
order by 1;
