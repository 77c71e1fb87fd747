-- name: find_certificate
-- A certificate that has verified a signature before.
select pem from sns_certificate where url = $1;

-- name: store_certificate
-- A certificate that has verified a signature; Amazon replaces it about once a year.
insert into sns_certificate (url, pem, used_at) values ($1, $2, $3)
on conflict (url) do update set pem = excluded.pem, used_at = excluded.used_at;

-- name: delete_old
-- Certificates that Amazon has replaced long ago; others are fetched once more.
delete from sns_certificate where used_at < $1;
