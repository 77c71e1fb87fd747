-- name: meant
-- Whom a list's entries mean: a member by their number, whoever has an address with that fingerprint, or the address
-- itself; and whether that is anybody's we know. Nobody: the address is null.
with entry as (
  select *
  from unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[])
    as e (line, channel, address, purpose, reason, source, since)
), fingerprint as (
  -- read from end to end once for each part of a list, and only for lists of fingerprints
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

-- name: suppress
-- The ledger's events and the standing rows, for what does not stand yet. Whoever asked for messages again after the date
-- in the list has had the last word. Whoever has left, or was erased and came back, and now says no has said no for when
-- that is taken back; of several reasons at once, that one counts.
with entry as (
  select distinct on (channel, address, purpose) *
  from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
    as e (channel, address, purpose, reason, source, since)
  order by channel, address, purpose, reason_weight(reason) desc, since
), judged as (
  select e.*,
    -- who has left and who is back is staff's word, and neither asks for messages nor ends asking for none
    e.reason <> 'left' and exists (
      select from suppression_event v
      where v.channel = e.channel and v.address = e.address and v.action = 'lift' and v.reason is distinct from 'returned'
        and v.at > e.since
    ) as lifted,
    exists (
      select from suppression s
      where s.channel = e.channel and s.address = e.address and s.purpose in ('all', e.purpose)
        and reason_weight(s.reason) >= reason_weight(e.reason)
    ) as stands
  from entry e
), fresh as (
  insert into suppression_event (channel, address, purpose, action, reason, source, at)
  select channel, address, purpose, 'suppress', reason, source, since from judged where not lifted and not stands
  returning event_id, channel, address, purpose, reason, at
), standing as (
  insert into suppression (channel, address, purpose, reason, since, event_id)
  select channel, address, purpose, reason, at, event_id from fresh
  on conflict (channel, address, purpose) do update
    set reason = excluded.reason, since = excluded.since, event_id = excluded.event_id
    where reason_weight(suppression.reason) < reason_weight(excluded.reason)
)
select j.reason, f.event_id, j.lifted and not j.stands as lifted
from judged j
left join fresh f using (channel, address, purpose);

-- name: withdraw_addresses
-- What is queued for addresses that have just been suppressed goes with them.
with withdrawn as (
  update message m
  set state = 'suppressed', reason = e.reason, changed_at = now()
  from suppression_event e, step s
  where e.event_id = any ($1::bigint[]) and m.channel = e.channel and m.address = e.address and m.state = 'queued'
    and s.step_id = m.step_id and e.purpose in ('all', s.purpose)
  returning m.message_id, m.reason
), told as (
  insert into message_event (message_id, state, source, code)
  select message_id, 'suppressed', 'list', reason from withdrawn
)
select count(*) from withdrawn;

-- name: withdraw_people
-- The same for members who are not to be written to at all, whatever the address.
with withdrawn as (
  update message m
  set state = 'suppressed', reason = e.reason, changed_at = now()
  from suppression_event e, step s
  where e.event_id = any ($1::bigint[]) and m.person_id = case e.channel when 'person' then e.address::bigint end
    and m.state = 'queued' and s.step_id = m.step_id and e.purpose in ('all', s.purpose)
  returning m.message_id, m.reason
), told as (
  insert into message_event (message_id, state, source, code)
  select message_id, 'suppressed', 'list', reason from withdrawn
)
select count(*) from withdrawn;

-- name: everybody
-- Everything that stands, with where each came from; members by their number. Leavers are no matter of a list, and of
-- whoever was erased there is nothing to hand on. $1: fingerprints instead of addresses.
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

-- name: record_audit
-- Who took in, or took out, how many.
insert into audit (actor, action, subject, detail) values ($1, $2, $3, $4);
