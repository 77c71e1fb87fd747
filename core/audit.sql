-- name: record
-- Adds a row.
select record_audit($1, $2, $3, $4, coalesce($5::timestamptz, now()), $6);

-- name: seal
-- Seals the next rows up to a number, at most so many; how many there were.
select seal_audit($1, $2);

-- name: head
-- The newest seal.
select
  s.seal_id, s.last_audit_id, (select sum(rows)::bigint from audit_seal) as rows, s.sealed_at, encode(s.digest, 'hex') as digest
from audit_seal s
order by s.seal_id desc
limit 1;

-- name: check_seals
-- Every seal in order, and whether its digest is still that of the one before and of the rows since.
with chain as (
  select
    s.seal_id, s.last_audit_id, s.rows, s.digest,
    lag(s.last_audit_id, 1, 0) over (order by s.seal_id) as after_audit_id, lag(s.digest) over (order by s.seal_id) as before
  from audit_seal s
)
select
  c.seal_id, c.after_audit_id + 1 as first_audit_id, c.last_audit_id, c.rows, batch.counted, encode(c.digest, 'hex') as digest,
  batch.counted = c.rows and batch.digest = c.digest as holds
from chain c
cross join lateral audit_batch(c.after_audit_id, c.last_audit_id, c.before) as batch
order by c.seal_id;

-- name: check_details
-- Rows whose particulars are no longer those of their digest, or are gone; those that an erasure took out; rows without a seal.
select
  count(*) filter (where d.audit_id is null or d.salt is not null and audit_digest(d.salt, d.subject, d.detail) <> a.digest) as changed,
  min(a.audit_id) filter (
    where d.audit_id is null or d.salt is not null and audit_digest(d.salt, d.subject, d.detail) <> a.digest
  ) as first,
  count(*) filter (where d.audit_id is not null and d.salt is null) as erased,
  count(*) filter (where a.audit_id > coalesce((select max(last_audit_id) from audit_seal), 0)) as unsealed
from audit a
left join audit_detail d using (audit_id);

-- name: list
-- Rows by number, newest first: filters narrow a walk down the primary key.
select *
from audit_shown
where ($1::text is null or actor = $1)
  and ($2::text is null or action = $2 or split_part(action, '.', 1) = $2)
  and ($3::text is null or subject = $3)
  and ($4::timestamptz is null or at >= $4)
  and ($5::timestamptz is null or at < $5)
  and ($6::bigint is null or audit_id < $6)
order by audit_id desc
limit $7;
