-- name: find
-- The recipient of a link; no row where what it asks about was over long ago. Once the person was erased only one page opens: the
-- one where others stop messages to an address they share.
select
  message_id, person_id, channel, address, sent_at, first_name, language, subject, standing, said_here, stopped, stopped_by_link,
  stopped_everywhere, reached_otherwise
from member_asked
where digest = $1 and action = any ($2::text[]) and coalesce(over_at > $3::timestamptz - $4::interval, true)
  and (address is distinct from 'erased-' || message_id or $2 = '{unsubscribe}');

-- name: look
-- The same, and records a page view: most are never answered, so each costs one statement. A page view allows one
-- answer, and says nothing about the person. On its own (`$9`) it is committed without waiting for the disk: if the
-- server crashes in the next half second, the member is asked to press once more.
with asked as materialized (
  select
    message_id, person_id, channel, address, sent_at, first_name, language, subject, standing, said_here, stopped,
    stopped_by_link, stopped_everywhere, reached_otherwise
  from member_asked
  where digest = $1 and action = any ($2::text[]) and coalesce(over_at > $3::timestamptz - $4::interval, true)
    and (address is distinct from 'erased-' || message_id or $2 = '{unsubscribe}')
), noted as materialized (
  select note_look(message_id, $8, 1, $5, $6, $7, $3, null, $10, $11) from asked
  where not $9 or set_config('synchronous_commit', 'off', true) is not null
)
select asked.* from asked cross join noted;

-- name: press
-- The same for the press of a button, with the page view it comes from (which allows one answer: of two presses at the
-- same moment the second finds it used) and the other uses of this message's links just before: machines follow all of
-- them, people one. Previews are left out: the member's own phone makes them. `looks` counts fetched pages: from all of
-- the first stage it subtracts one for each earlier press that was answered with a page other than the second question.
with asked as materialized (
  select
    message_id, person_id, channel, address, sent_at, first_name, language, subject, standing, said_here, stopped,
    stopped_by_link, stopped_everywhere, reached_otherwise
  from member_asked
  where digest = $1 and action = any ($2::text[]) and coalesce(over_at > $3::timestamptz - $4::interval, true)
    and (address is distinct from 'erased-' || message_id or $2 = '{unsubscribe}')
), used as (
  update page_view v
  set answered_at = $3, answer = $6
  from asked a
  where v.nonce = $5 and v.message_id = a.message_id and v.action = $9 and v.answered_at is null
    and v.at > $3::timestamptz - $7::interval
  returning v.stage, v.agent, v.signals, v.at, v.asked
), around as (
  select
    coalesce(bool_or('honeypot' = any (v.signals)), false) as honeypot,
    coalesce(bool_or(v.agent in ('scanner', 'tool', 'none')), false) as machine,
    coalesce(bool_or(v.action = 'unsubscribe'), false) as every_link,
    count(*) filter (where v.action = 'confirm' and v.stage = 1)
      - count(*) filter (where v.action = 'confirm' and v.answered_at is not null)
      + count(*) filter (where v.action = 'confirm' and v.stage = 2) as looks
  from asked a
  join page_view v on v.message_id = a.message_id and v.at > $3::timestamptz - $8::interval
)
select
  a.*, u.stage as used_stage, u.agent as used_agent, u.signals as used_signals, u.at as used_at, u.asked as used_asked,
  r.honeypot, r.machine, r.every_link, r.looks
from asked a
cross join around r
left join used u on true;

-- name: keep_press
-- A press is stored like any other answer, and done in the same transaction.
insert into inbound_log (source, dedupe_key, subject, payload, received_at, next_try_at, state, processed_at)
values ($1, $2, $3, $4, $5, $5, 'done', $5)
on conflict (source, dedupe_key) do update set source = excluded.source
returning inbound_id;
