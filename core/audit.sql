-- name: record
-- Adds a row.
select record_audit($1, $2, $3, $4, coalesce($5::timestamptz, now()), $6);

-- name: seal
-- Seals the next rows up to a number, at most so many; how many there were.
select seal_audit($1, $2);

-- name: find_head
-- The newest seal.
select
  s.seal_id, s.last_audit_id, (select sum(rows)::bigint from audit_seal) as rows, s.sealed_at, encode(s.digest, 'hex') as digest
from audit_seal s
order by s.seal_id desc
limit 1;

-- name: check_seals
-- Every seal in order, and whether its digest still matches the seal before it and the rows since.
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
-- Rows whose particulars do not match their digest, or are missing; rows whose particulars an erasure deleted, which
-- the audit row of that erasure must say; rows without a seal.
with known as (
  select a.audit_id, a.action, d.salt, d.detail, d.salt is not null and audit_digest(d.salt, d.subject, d.detail) = a.digest as holds
  from audit a
  left join audit_detail d using (audit_id)
), emptied as (
  select distinct ids.audit_id::bigint
  from known
  cross join lateral jsonb_array_elements_text(
    case jsonb_typeof(known.detail -> 'audit') when 'array' then known.detail -> 'audit' else '[]' end
  ) as ids (audit_id)
  where known.holds and known.action = 'ledgers.emptied'
), checked as (
  select known.audit_id, known.holds, not known.holds and known.salt is null and emptied.audit_id is not null as erased
  from known
  left join emptied using (audit_id)
)
select
  count(*) filter (where not holds and not erased) as changed,
  min(audit_id) filter (where not holds and not erased) as first,
  count(*) filter (where erased) as erased,
  count(*) filter (where audit_id > coalesce((select max(last_audit_id) from audit_seal), 0)) as unsealed
from checked;

-- name: list_audit
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
