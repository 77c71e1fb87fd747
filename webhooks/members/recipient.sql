-- name: find_recipient
-- The recipient of a link; no row if its subject was over long ago.
select * from link_recipient($1, $2::bigint, $3, $4::text[], $5::timestamptz, $6::interval);

-- name: find_archived_recipient
-- The recipient of the unsubscribe link of an email that is in the archive. Asked for every such link that is not found
-- otherwise, forged ones too, so that all of them take as long.
select * from archived_recipient($1, $2);

-- name: view_page
-- The same, and records a page view: most are never answered, so each costs one statement. A page view allows one
-- answer, and says nothing about the person. On its own (`$11`) it is committed without waiting for the disk: if the
-- server crashes in the next half second, the member is asked to press once more.
with recipient as materialized (
  select * from link_recipient($1, $2::bigint, $3, $4::text[], $5::timestamptz, $6::interval)
), recorded as materialized (
  select record_page_view(message_id, $10, 1, $7, $8, $9, $5, null, $12, $13) from recipient
  where not $11 or set_config('synchronous_commit', 'off', true) is not null
)
select recipient.* from recipient cross join recorded;

-- name: use_view
-- The same for the press of a button, with the page view it comes from (which allows one answer: if two presses come at
-- the same moment, the second finds it used) and the other uses of this message's links just before: machines follow
-- all links, people one. Previews are left out: the member's own phone makes them. `looks` counts fetched pages: from
-- all of the first stage it subtracts one for each earlier press that was answered with a page other than the second
-- question.
with recipient as materialized (
  select * from link_recipient($1, $2::bigint, $3, $4::text[], $5::timestamptz, $6::interval)
), used as (
  update page_view v
  set answered_at = $5, answer = $8
  from recipient r
  where v.nonce = $7 and v.message_id = r.message_id and v.action = $11 and v.answered_at is null
    and v.at > $5::timestamptz - $9::interval
  returning v.stage, v.agent, v.signals, v.at, v.earlier
), nearby as (
  select
    coalesce(bool_or('honeypot' = any (v.signals)), false) as honeypot,
    coalesce(bool_or(v.agent in ('scanner', 'tool', 'none')), false) as machine,
    coalesce(bool_or(v.action = 'unsubscribe'), false) as every_link,
    count(*) filter (where v.action = 'confirm' and v.stage = 1)
      - count(*) filter (where v.action = 'confirm' and v.answered_at is not null)
      + count(*) filter (where v.action = 'confirm' and v.stage = 2) as looks
  from recipient r
  join page_view v on v.message_id = r.message_id and v.at > $5::timestamptz - $10::interval
)
select
  r.*, u.stage as used_stage, u.agent as used_agent, u.signals as used_signals, u.at as used_at,
  u.earlier as used_earlier, n.honeypot, n.machine, n.every_link, n.looks
from recipient r
cross join nearby n
left join used u on true;
