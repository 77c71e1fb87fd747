-- name: find
-- A certificate that has signed something for us before.
select pem from sns_certificate where url = $1;

-- name: keep
-- It has signed something for us; Amazon changes it about once a year.
insert into sns_certificate (url, pem, used_at) values ($1, $2, $3)
on conflict (url) do update set pem = excluded.pem, used_at = excluded.used_at;

-- name: forget
-- Amazon has changed it long ago; if it has not, it is asked for once more.
delete from sns_certificate where used_at < $1;
