-- A line about an answer that was taken back says which one counts from then on.
-- migrate:up

-- Responses as lines of a person's history. `counted_label` is, for an answer that was taken back, the answer that
-- counted after that; null if there was none.
create or replace view response_said with (security_invoker = true) as
select
  r.at,
  case
    when r.source = 'date_change' then r.source
    when coalesce(r.answer, undone.answer) is null then case when r.retracts is null then 'comment' else 'comment_retracted' end
    when r.retracts is null then 'claim' else 'retraction'
  end as kind,
  r.message_id, r.source,
  case
    when r.source = 'date_change' then to_char(r.date_at at time zone q.time_zone, 'FMDay FMDD FMMonth YYYY, HH24:MI')
    else meant.label
  end as label,
  q.name as subject_name, c.comment as text,
  nullif(r.recorder, 'member') as note, r.person_id, r.question_id, undone.message_id as undone_message_id,
  case when undone.answer is not null then (
    select counted.label
    from response former
    join question_answer counted on counted.question_id = former.question_id and counted.name = former.answer
    where former.question_id = r.question_id and former.person_id = r.person_id and former.response_id < r.response_id
      and not exists (select from response later where later.retracts = former.response_id and later.at <= r.at)
      and (former.date_at is null or former.date_at = coalesce(
        (select moved.date_at from response moved
         where moved.question_id = former.question_id and moved.person_id = former.person_id
           and moved.campaign_id = former.campaign_id and moved.source = 'date_change' and moved.response_id < r.response_id
         order by moved.response_id desc
         limit 1),
        former.date_at
      ))
    order by former.at desc, former.response_id desc
    limit 1
  ) end as counted_label,
  -- for a change of date: whether there was an answer about another date, which does not count any more
  r.source = 'date_change' and exists (
    select from response former
    where former.question_id = r.question_id and former.person_id = r.person_id and former.campaign_id = r.campaign_id
      and former.response_id < r.response_id and former.answer is not null and former.date_at <> r.date_at
      and not exists (select from response later where later.retracts = former.response_id and later.response_id < r.response_id)
  ) as has_former_answer
from response r
join question q using (question_id)
left join response undone on undone.response_id = r.retracts
left join question_answer meant
  on meant.question_id = r.question_id and meant.name = coalesce(r.answer, undone.answer)
left join response_comment c on c.response_id = r.response_id;

-- Labels of responses, and of their people's present answers, so that staff see where one has been changed since.
create or replace view response_label with (security_invoker = true) as
select r.response_id, meant.label, now_meant.label as present_label
from response r
left join response_status present using (question_id, person_id)
join question_answer meant on meant.question_id = r.question_id and meant.name = coalesce(r.answer, present.answer)
left join question_answer now_meant on now_meant.question_id = r.question_id and now_meant.name = present.answer;

-- migrate:down
