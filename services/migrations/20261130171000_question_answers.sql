-- migrate:up

-- A question with its answers, in their order. They are put together for those who ask for them, and not for each query that asks
-- when it closes.
create or replace view question_described with (security_invoker = true) as
select
  q.question_id, q.name, q.title, q.organisation, q.asks, q.comment, nullif(q.opens_at, '-infinity') as opens_at, q.closes_at,
  q.time_zone, q.letter, q.translations, q.goal_id,
  (
    select jsonb_agg(to_jsonb(a) - 'question_id' order by a.position) from question_answer a where a.question_id = q.question_id
  ) as answers
from question q;

-- migrate:down
