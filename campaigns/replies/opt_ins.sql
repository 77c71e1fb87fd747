-- name: list_last_opt_ins
-- When an address last asked for messages.
select r.channel, r.address, max(r.received_at) as at
from unnest($1::text[], $2::text[]) as given (channel, address)
join reply r using (channel, address)
where r.reading = 'opt_in'
group by r.channel, r.address;
