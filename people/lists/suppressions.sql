-- name: resolve_entries
-- The people and addresses that a list's entries mean: a member by their number, everybody who has an address with
-- that fingerprint, or the address itself; and whether it belongs to anybody we know. The address is null if an entry
-- means nobody.
with entry as (
  select *
  from unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[])
    as e (line, channel, address, purpose, reason, source, since)
), fingerprint as (
  -- this table is read from end to end, once for each part of a list, and only for lists of fingerprints
  select distinct a.channel, a.address, encode(sha256(convert_to(a.address, 'UTF8')), 'hex') as sha256
  from address a
  where exists (select from entry where channel = 'hash')
)
select e.line, e.channel as given, e.channel, e.address, e.purpose, e.reason, e.source, e.since,
  exists (select from address a where a.channel = e.channel and a.address = e.address) as known
from entry e
where e.channel in ('sms', 'email')
union all
select e.line, e.channel, 'person', p.person_id::text, e.purpose, e.reason, e.source, e.since, p.person_id is not null
from entry e
left join person p on p.external_id = e.address
where e.channel = 'person'
union all
select e.line, e.channel, f.channel, f.address, e.purpose, e.reason, e.source, e.since, f.address is not null
from entry e
left join fingerprint f on f.sha256 = e.address
where e.channel = 'hash'
order by 1;

-- name: list_suppressions
-- Every suppression in force, with its source; members by their number. Leavers do not belong in a list, and erased
-- people have nothing to export. $1: fingerprints instead of addresses.
select
  s.channel,
  case when $1::boolean then encode(sha256(convert_to(coalesce(p.external_id, s.address), 'UTF8')), 'hex')
    else coalesce(p.external_id, s.address) end as address,
  s.purpose, s.reason, e.source, s.since
from suppression s
join suppression_event e using (event_id)
left join person p on s.channel = 'person' and p.person_id = case when s.channel = 'person' then s.address::bigint end
where p.erased_at is null and s.reason <> 'left'
order by s.channel, s.address, s.purpose;
