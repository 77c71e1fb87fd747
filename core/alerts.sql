-- name: raise_alert
-- Raises an alert, or counts another occurrence of an open one with the same key: a thousand failures are one alert.
insert into alert (key, severity, title, remedy, detail)
values ($1, $2, $3, $4, $5)
on conflict (key) where resolved_at is null do update
set severity = excluded.severity, title = excluded.title, remedy = excluded.remedy, detail = excluded.detail,
    times = alert.times + 1, last_at = now()
returning alert_id;

-- name: resolve_alert
-- Closes an alert; the row is kept, and the next alert with this key is a new one.
update alert set resolved_at = now() where key = $1 and resolved_at is null returning alert_id;

-- name: resolve_quiet_alert
-- For alerts about a past event that nobody can fix: closed if the event has not happened again since a time.
update alert set resolved_at = now() where key = $1 and resolved_at is null and last_at < $2;

-- name: list_open_alerts
-- Open alerts, the most severe and the newest first.
select alert_id, key, severity, title, remedy, detail, times, first_at, last_at
from alert
where resolved_at is null
order by array_position(array['error', 'warning', 'notice'], severity), last_at desc;

-- name: erase_addresses
-- Removes addresses from the words of open alerts, which staff go on seeing after an erasure.
update alert
set title = without_addresses(title, $1::text[]), remedy = without_addresses(remedy, $1::text[]),
  detail = jsonb_without(detail, $1::text[])
where squeezed(title || ' ' || remedy || ' ' || detail::text) like any ($2::text[])
  and (names_address(title, $1::text[]) or names_address(remedy, $1::text[]) or names_address(jsonb_words(detail), $1::text[]));
