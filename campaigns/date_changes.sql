-- name: list_steps_to_follow
-- Steps with changes to follow, and steps whose people are to be compared with their messages. A person whose message
-- is on the wire, or may have left, waits until that is known.
select s.step_id
from dated_step d
join step s using (step_id)
where s.state in ('running', 'paused') and s.launched_at is not null
  and (
    coalesce(d.compared_at + $3::interval, s.launched_at + $2::interval) <= $1
    or exists (
      select from date_change x
      where x.step_id = s.step_id
        and not exists (
          select from message m
          where m.step_id = x.step_id and m.person_id = x.person_id
            and (
              m.state = 'ambiguous'
              or m.state = 'queued'
                and exists (select from in_flight f where f.message_id = m.message_id and f.wire_at is not null)
            )
        )
    )
  )
order by s.step_id;

-- name: take_changes
-- Takes the oldest changes; they come back if the transaction is rolled back.
delete from date_change
where (step_id, change_id) in (
  select x.step_id, x.change_id
  from date_change x
  where x.step_id = $1
    and not exists (
      select from message m
      where m.step_id = x.step_id and m.person_id = x.person_id
        and (
          m.state = 'ambiguous'
          or m.state = 'queued'
            and exists (select from in_flight f where f.message_id = m.message_id and f.wire_at is not null)
        )
    )
  order by x.change_id
  limit $2
  for update skip locked
)
returning person_id;

-- name: note_changes_again
-- Puts back changes that cannot be followed yet.
insert into date_change (step_id, person_id) select $1, unnest($2::bigint[]);

-- name: delete_changes
-- Deletes the changes of steps that are over, or about to be launched. A launch reads everything that was committed
-- before it began; a change that was not committed is not seen here either.
delete from date_change x using step s
where s.step_id = x.step_id and s.state in ('planned', 'finished', 'cancelled');

-- name: is_to_compare
-- Whether the people of a step are due to be compared with their messages.
select coalesce(d.compared_at + $4::interval, s.launched_at + $3::interval) <= $2
from dated_step d join step s using (step_id)
where s.step_id = $1;

-- name: note_comparison
-- Records that the people of a step were compared with their messages.
update dated_step set compared_at = $2 where step_id = $1;

-- name: list_waiting_people
-- People in a range of ids whose message waits: some may have left the audience.
select person_id from message
where step_id = $1 and state = 'queued' and person_id > $2 and ($3::bigint is null or person_id <= $3);

-- name: find_number
-- The membership number of the first of some people who has not been erased, by which staff look them up.
select external_id from person where person_id = any($1::bigint[]) and erased_at is null order by person_id limit 1;
