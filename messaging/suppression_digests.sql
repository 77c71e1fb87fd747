-- name: keep_digests
-- Stores digests, one for each purpose; the first reason is kept, but `erased` gives way to an opt-out and the like.
-- The time is the latest one: it shows the database that the suppressions it is to erase from the ledger are kept here.
insert into suppression_digest (digest, key, channel, purpose, reason, since)
select * from unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
on conflict (digest, purpose) do update
  set since = excluded.since,
      reason = case when reason_weight(suppression_digest.reason) < reason_weight(excluded.reason) then excluded.reason
        else suppression_digest.reason end
  where reason_weight(suppression_digest.reason) <= reason_weight(excluded.reason);

-- name: count_unreadable
-- Digests under a secret that is not in the list.
select count(*) from suppression_digest where key <> all ($1::text[]);

-- name: has_digests
-- Whether there is anything to look up.
select exists (select from suppression_digest);

-- name: list_digests
-- All digests, to compare them with the imported entries; they are as many as people who were erased and have not come
-- back.
select digest, purpose, reason, since, made_at from suppression_digest;

-- name: delete_digests
-- Deletes digests by purpose: one may be lifted while another stays.
delete from suppression_digest d
using unnest($1::bytea[], $2::text[]) as dropped (digest, purpose)
where d.digest = dropped.digest and d.purpose = dropped.purpose;
