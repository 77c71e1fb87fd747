-- migrate:up

-- One word for one act: the command, the audit and the errors say that a year is deleted, not forgotten.
-- Deletes a year, once every subject that its messages were about has been closed for long enough, and writes down itself who
-- wanted it and what went. Messages that have been put under another year than their step's keep it from going.
create or replace function drop_archive_year(wanted integer, actor jsonb) returns bigint
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  held jsonb;
  total bigint;
  young text;
  misfiled text;
begin
  if to_regclass(format('message_archive_%s', wanted)) is null then
    raise exception 'the archive has no year %', wanted;
  end if;
  -- nobody adds to it while it is counted; queries that read it go on until it is dropped
  execute format('lock table message_archive_%1$s, message_event_archive_%1$s in share mode', wanted);
  select coalesce(sum(t.n), 0), coalesce(jsonb_object_agg(t.name, t.n), '{}'),
    min(t.name) filter (where t.young), min(t.name) filter (where t.misfiled)
  into total, held, young, misfiled
  from (
    select
      coalesce(c.name, 'campaign ' || m.campaign_id, 'transactional messages') as name, sum(m.n) as n,
      bool_or(
        case when m.step_id is null then m.last > now() - archive_delay()
          else c.campaign_id is not null and coalesce(over_at(subject.closes_at, c.finished_at) > now() - archive_delay(), true)
        end
      ) as young,
      bool_or(case when m.step_id is null then m.elsewhere else archive_year(s) is distinct from wanted end) as misfiled
    from (
      select
        campaign_id, step_id, count(*) as n, max(created_at) as last, bool_or(archive_year(created_at) <> wanted) as elsewhere
      from message_archive
      where year = wanted
      group by campaign_id, step_id
    ) m
    left join step s using (step_id)
    left join campaign c on c.campaign_id = m.campaign_id
    left join subject using (subject_kind, subject_id)
    group by m.campaign_id, c.name
  ) t;
  if misfiled is not null then
    raise exception 'messages of % are archived under %, but were not launched in that year', misfiled, wanted
      using hint = 'somebody has moved them there by hand: move them back first';
  end if;
  if young is not null then
    raise exception 'messages of % cannot be deleted yet', young
      using hint = format('what they were about has to have been over for %s days', extract(day from archive_delay()));
  end if;
  perform forget_transactional(wanted);
  execute format('drop table message_archive_%1$s, message_event_archive_%1$s', wanted);
  perform record_audit(
    drop_archive_year.actor, 'messages.deleted', 'messages of ' || wanted,
    jsonb_build_object('messages', total, 'campaigns', held, 'login', session_user)
  );
  return total;
end $$;

-- migrate:down
