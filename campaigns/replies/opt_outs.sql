-- name: has_address
-- Whether the address a message went to is still the person's; if not, a stranger may read it.
select exists (select from address where person_id = $1 and channel = $2 and address = $3);

-- name: was_stopped_by_link
-- Whether an address is opted out because this very person did so by a link: only that can be undone by a link. A text
-- of STOP, or an opt-out by somebody who shares the phone, cannot.
select exists (
  select from suppression s
  join suppression_event e using (event_id)
  where s.channel = $1 and s.address = $2 and s.reason = 'opted_out'
    and e.source in ('link', 'unsubscribe') and person_of_message(e.message_id) = $3
);

-- name: list_last_opt_ins
-- When an address last asked for messages.
select r.channel, r.address, max(r.received_at) as at
from unnest($1::text[], $2::text[]) as given (channel, address)
join reply r using (channel, address)
where r.reading = 'opt_in'
group by r.channel, r.address;
