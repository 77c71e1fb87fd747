-- name: has_replied_stop_since
-- Whether a STOP came from that address after this time: replies can arrive late, and in another order.
select exists (
  select from reply where channel = $1 and address = $2 and reading = 'opt_out' and received_at > $3
);

-- name: was_stopped_since
-- Whether an opt-out in force was made after this time. Opt-outs of the sources in $4 are left out: they are dated by
-- when we processed them, not by when they were made.
select exists (
  select from suppression s
  join suppression_event e using (event_id)
  where s.channel = $1 and s.address = $2 and s.reason = 'opted_out' and s.since > $3 and e.source <> all ($4::text[])
);
