-- name: take_try
-- Counts a try before it is known whether it succeeds, so that each of many at once counts. After the free tries, each
-- wait is twice the wait before; tries long ago do not count. A free try is never too early, even if the clocks of two
-- web hosts differ.
insert into sign_in_backoff as b (key, tries, last_at, next_at)
values ($1, 1, $2, $2::timestamptz + case when $3 < 1 then make_interval(secs => $4) else '0' end)
on conflict (key) do update set
  tries = case when b.last_at < $2 - $6::interval then 1 else b.tries + 1 end,
  last_at = greatest(b.last_at, $2),
  next_at = $2::timestamptz + case
    when b.last_at < $2 - $6::interval or b.tries + 1 < $3 then '0'
    else make_interval(secs => least($4 * 2 ^ least(b.tries + 1 - $3, 30), $5))
  end
where b.tries < $3 or b.next_at <= $2 or b.last_at < $2 - $6::interval
returning true;

-- name: find_next
-- When the next try is allowed.
select next_at from sign_in_backoff where key = $1;

-- name: delete_tries
-- Deletes the tries of somebody who has succeeded.
delete from sign_in_backoff where key = any ($1);

-- name: delete_old_tries
-- Deletes tries that no longer count for any kind: networks are kept no longer than needed.
delete from sign_in_backoff where last_at < $1::timestamptz - interval '1 day';
