-- name: use_words
-- Closes the latest reply whose author was asked back about a subject and answers now; staff still read one that they
-- were shown at once. One that they wrote again after is closed already, and its words count until staff deal with it
-- or its author takes it back. Where its author was asked which of several they mean ($4), it may have been taken for the answer
-- to another. The note ($5) says that its words have been used.
with earlier as (
  select r.reply_id, r.text, menu_of(st.content, live.variables) as menu
  from reply r
  join message_any m on m.message_id = r.message_id
  join campaign c on c.campaign_id = m.campaign_id
  left join message live on live.message_id = m.message_id
  left join step st on st.step_id = m.step_id
  where r.person_id = $1 and r.closed_by is null and r.asked_back_at is not null
    and coalesce(r.note, '') not like '%' || $5 and r.rule not in ('which_answer', 'take_back')
    and ((c.subject_kind, c.subject_id) = ($2, $3) or r.rule = $4)
  order by r.reply_id desc
  limit 1
)
update reply
set state = case state when 'asked' then 'closed' else state end, why_open = case state when 'open' then why_open end,
  note = concat_ws(' ', note, $5::text)
from earlier
where reply.reply_id = earlier.reply_id
returning earlier.text, earlier.menu;
