-- name: find_placed_step
-- A step, with its campaign and the campaign's subject.
select
  s.step_id, s.campaign_id, s.position, s.channels, s.purpose, s.goal_id, s.content, s.constants, s.dated, s.launched_at,
  s.launch_cursor, s.sms_sender_id, s.email_sender_id, s.send_after, c.name as campaign, c.audience, c.spec,
  to_jsonb(subject) as subject
from step s
join campaign c using (campaign_id)
join subject using (subject_kind, subject_id)
where s.step_id = $1;

-- name: list_recipients
-- A page of a step, for the outbox: everybody in the audience, also people who get nothing, with the variables the
-- template uses as they are now ($6 personal ones, $7 attributes; $8: letters behind digits, if any). People who have left since the page was decided are
-- left out. Unused variables are null here, and stripped: building all of them and removing the unused took longer than
-- everything else done for a row.
select
  d.person_id, d.channel, d.address,
  case when d.state <> 'queued' then '{}' else own.variables || jsonb_strip_nulls(
    jsonb_build_object(
      'first_name', case when 'first_name' = any ($6::text[]) then f.first_name end,
      'last_name', case when 'last_name' = any ($6) then f.last_name end,
      'full_name', case when 'full_name' = any ($6) then f.full_name end,
      'member_id', case when 'member_id' = any ($6) then f.member_id end,
      'language', case when 'language' = any ($6) then f.language end,
      'time_zone', case when 'time_zone' = any ($6) then f.time_zone end,
      'unit', case when 'unit' = any ($6) then f.unit end,
      'branch', case when 'branch' = any ($6) then f.branch end,
      'workplace', case when 'workplace' = any ($6) then f.workplace end,
      'region', case when 'region' = any ($6) then f.region end,
      'letter', case when 'letter' = any ($6) then coalesce(d.letter, '') end
    )
  ) end as variables,
  f.time_zone, d.state, d.reason
from unnest($1::bigint[], $2::text[], $3::text[], $4::message_state[], $5::text[], $8::text[])
  as d (person_id, channel, address, state, reason, letter)
join person_facts f on f.person_id = d.person_id and f.struck_off_at is null
cross join lateral (
  select case when cardinality($7::text[]) = 0 then '{}' else (
    select jsonb_object_agg(name, coalesce(f.attributes ->> name, '')) from unnest($7) as used (name)
  ) end as variables
) as own;
