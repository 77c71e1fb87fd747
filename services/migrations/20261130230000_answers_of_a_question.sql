-- migrate:up

-- A question with its answers, in their order, as one row: every reply and every page reads it, and answers change with their
-- question alone. Putting them together each time cost a press a tenth of its time in PostgreSQL.
alter table question add column answers jsonb; -- null while it has none

create function put_answers_together() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  update question q
  set answers = (
    select jsonb_agg(to_jsonb(a) - 'question_id' order by a.position) from question_answer a where a.question_id = q.question_id
  )
  where q.question_id in (new.question_id, old.question_id);
  return null;
end $$;
create trigger answers_stay_together after insert or update or delete on question_answer
for each row execute function put_answers_together();

update question q
set answers = (
  select jsonb_agg(to_jsonb(a) - 'question_id' order by a.position) from question_answer a where a.question_id = q.question_id
);

create or replace view question_described with (security_invoker = true) as
select
  question_id, name, title, organisation, asks, comment, nullif(opens_at, '-infinity') as opens_at, closes_at, time_zone, letter,
  translations, goal_id, answers
from question;

-- migrate:down
