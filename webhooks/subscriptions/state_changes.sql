-- name: list_ballots
-- Ballots whose state may still change, with the last report of each. Answers come in for a while after the close.
select
  b.ballot_id, b.name, b.opens_at, b.closes_at,
  p.status as known_phase, t.status as known_threshold
from ballot b
left join reported_status p on p.kind = 'phase' and p.id = b.ballot_id
left join reported_status t on t.kind = 'threshold' and t.id = b.ballot_id
where b.closes_at > $1::timestamptz - interval '7 days' or p.status is distinct from 'closed'
order by b.ballot_id;

-- name: store_status
-- Stores the reported state, so that it is reported once.
insert into reported_status (kind, id, status) values ($1, $2, $3)
on conflict (kind, id) do update set status = excluded.status where reported_status.status <> excluded.status;

-- name: report_new_alerts
-- Open alerts that have not been reported yet.
insert into reported_status (kind, id, status)
select 'alert', a.alert_id, 'raised' from alert a where a.resolved_at is null
on conflict do nothing
returning id;

-- name: delete_ended_alerts
-- Reported alerts that have been resolved since.
delete from reported_status t using alert a
where t.kind = 'alert' and a.alert_id = t.id and a.resolved_at is not null
returning t.id;

-- name: list_alerts
-- Alerts by their ids.
select alert_id, key, severity, title, remedy, first_at, resolved_at from alert where alert_id = any ($1::bigint[])
order by alert_id;
