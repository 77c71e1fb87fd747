-- squawk-ignore-file require-timeout-settings, prefer-robust-stmts, ban-drop-function, renaming-object
-- migrate:up

-- Functions that are yet to come are for those who are granted them.
alter default privileges revoke execute on functions from public;

-- A row trigger of a partitioned table holds for each of its partitions, those to come too; one for each statement holds for
-- statements that name the table itself.
drop trigger message_event_archive_stays on message_event_archive;
create trigger message_event_archive_stays before delete on message_event_archive
  for each row execute function refuse_change();
create trigger message_archive_stays before delete on message_archive for each row execute function refuse_change();

-- A message's history leaves its table through the owner's function below alone. Anybody can set a setting; nobody else is
-- the table's owner.
create or replace function only_archiving() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  if coalesce(current_setting('muster.archiving', true), '') <> 'on'
    or current_user <> (select pg_get_userbyid(c.relowner) from pg_class c where c.oid = tg_relid) then
    raise exception '% is append-only: it goes into the archive, and nowhere else', tg_table_name;
  end if;
  return null;
end $$;

-- How long after a ballot's close members' links still say that it has closed, and a day: until then everything stays.
create function archive_delay() returns interval language sql immutable parallel safe as $$ select interval '61 days' $$;

-- The year a step's messages are kept under.
create function archive_year(of step) returns int language sql stable parallel safe as $$
  select extract(year from coalesce(of.launched_at, of.finished_at, of.created_at) at time zone 'UTC')::int
$$;

-- Moves the history of messages that have just been archived behind them, in the order it was written. It goes by what the
-- tables say, not by what it is told: messages that are in the archive and nowhere else, under their step's year, of steps
-- that are over.
create function archive_history(messages bigint[]) returns bigint
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  moved bigint;
  behind bigint[];
begin
  select array_agg(a.message_id) into behind
  from message_archive a
  join step s using (step_id)
  where a.message_id = any (messages) and s.state in ('finished', 'cancelled') and a.year = archive_year(s)
    and not exists (select from message m where m.message_id = a.message_id);
  if cardinality(messages) is distinct from cardinality(behind) then
    raise exception 'history follows messages into the archive: % of % are there, and their steps over',
      coalesce(cardinality(behind), 0), cardinality(messages);
  end if;

  perform set_config('muster.archiving', 'on', true);
  with gone as (
    delete from message_event where message_id = any (behind)
    returning message_id, event_id, at, state, source, code, detail
  ), kept as (
    insert into message_event_archive (message_id, event_id, at, state, source, code, detail, year)
    select g.message_id, g.event_id, g.at, g.state, g.source, g.code, g.detail, a.year
    from gone g
    join message_archive a using (message_id)
    returning 1
  )
  select count(*) into moved from kept;
  perform set_config('muster.archiving', 'off', true);

  insert into audit (actor, action, subject, detail)
  select 'database', 'archive.moved', 'step ' || step_id, jsonb_build_object('messages', count(*), 'login', session_user)
  from message_archive
  where message_id = any (behind)
  group by step_id;
  return moved;
end $$;

create or replace function make_archive_year(wanted integer) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  if wanted not between 1970 and 9999 then
    raise exception 'the archive has no year %', wanted;
  end if;
  execute format('create table message_archive_%1$s partition of message_archive for values in (%1$s)', wanted);
  execute format('create table message_event_archive_%1$s partition of message_event_archive for values in (%1$s)', wanted);
end $$;

-- Forgets a year, once every ballot that its messages were about has been closed for long enough, and writes down itself who
-- wanted it and what went. Messages that have been put under another year than their step's keep it from going.
drop function drop_archive_year(integer);
create function drop_archive_year(wanted integer, actor text) returns bigint
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
  -- nobody adds to it while it is counted; its readers read on until it goes
  execute format('lock table message_archive_%1$s, message_event_archive_%1$s in share mode', wanted);
  select coalesce(sum(t.n), 0), coalesce(jsonb_object_agg(t.name, t.n), '{}'),
    min(t.name) filter (where t.young), min(t.name) filter (where t.misfiled)
  into total, held, young, misfiled
  from (
    select
      coalesce(c.name, 'campaign ' || m.campaign_id) as name, sum(m.n) as n,
      bool_or(b.closes_at > now() - archive_delay()) as young, bool_or(archive_year(s) is distinct from wanted) as misfiled
    from (
      select campaign_id, step_id, count(*) as n from message_archive where year = wanted group by campaign_id, step_id
    ) m
    left join step s using (step_id)
    left join campaign c on c.campaign_id = m.campaign_id
    left join ballot b using (ballot_id)
    group by m.campaign_id, c.name
  ) t;
  if misfiled is not null then
    raise exception 'messages of % stand under %, and were not launched then', misfiled, wanted
      using hint = 'somebody has put them there by hand: see to that first';
  end if;
  if young is not null then
    raise exception 'messages of % cannot be forgotten yet', young
      using hint = format('its ballot has to have been closed for %s days', extract(day from archive_delay()));
  end if;
  execute format('drop table message_archive_%1$s, message_event_archive_%1$s', wanted);
  insert into audit (actor, action, subject, detail)
  values (
    drop_archive_year.actor, 'forget', 'messages of ' || wanted,
    jsonb_build_object('messages', total, 'campaigns', held, 'login', session_user)
  );
  return total;
end $$;

-- Erasing is for whoever is being erased. The function of before does it, as its owner and for nobody else from here on; the
-- one that takes its name says first what it will not do, and afterwards what was done.
alter function erase_personal_detail(bigint, text, text[], text[], bigint[], text) rename to empty_ledgers;
alter function empty_ledgers(bigint, text, text[], text[], bigint[], text) security invoker;
revoke all on function empty_ledgers(bigint, text, text[], text[], bigint[], text) from public; -- nor is it of any use to others

-- What squeezed text must have in it to speak of an address: a mailbox, or the end of a number that every way to write it has,
-- for country codes have three digits at most.
create function address_mark(address text) returns text language sql immutable strict parallel safe as $$
  select case
    when address like '%_@_%' then squeezed(address)
    when address ~ '^\+[0-9]{7,15}$' then right(address, least(length(address) - 4, 8))
    when address ~ '^[0-9]{3,8}$' then address
  end
$$;

-- Whether a row of the audit speaks of whoever is being erased: by their id or number, by an address, or of an opt-out that
-- was taken back at the moment when the ledger has one of theirs taken back.
create function is_theirs(entry audit, who bigint, number text, channels text[], addresses text[]) returns boolean
language sql stable as $$
  select (entry).subject in ('person ' || who, nullif(number, ''))
    or exists (
      select from unnest(addresses) as own (address)
      where strpos(squeezed((entry).subject || ' ' || jsonb_words((entry).detail)), address_mark(own.address)) > 0
    )
    or (entry).action = 'messages.resumed' and exists (
      select from suppression_event e
      join unnest(channels, addresses) as own (channel, address) using (channel, address)
      where e.action = 'lift' and e.at = (entry).at
    )
$$;

create or replace function only_erasure() returns trigger language plpgsql set search_path = public, pg_temp as $$
declare
  erased jsonb;
begin
  if coalesce(current_setting('muster.erasing', true), '') <> 'on'
    or current_user <> (select pg_get_userbyid(c.relowner) from pg_class c where c.oid = tg_relid)
    or to_jsonb(old) - tg_argv <> to_jsonb(new) - tg_argv then
    raise exception '% is append-only: add a row that corrects, never change one', tg_table_name;
  end if;
  erased := nullif(current_setting('muster.erased', true), '')::jsonb;
  if tg_table_name = 'audit' then
    if is_theirs(
      old, (erased ->> 'who')::bigint, erased ->> 'number',
      array(select jsonb_array_elements_text(erased -> 'channels')),
      array(select jsonb_array_elements_text(erased -> 'addresses'))
    ) is not true then
      raise exception 'audit is append-only: row % says nothing of whoever is being erased', old.audit_id;
    end if;
  end if;
  perform set_config('muster.erased', jsonb_set(erased, '{rows}', to_jsonb((erased ->> 'rows')::int + 1))::text, true);
  return new;
end $$;

create function erase_personal_detail(
  who       bigint,   -- the person; null for somebody known by an address alone
  number    text,     -- their membership number; empty without a member
  channels  text[],
  addresses text[],   -- that are theirs alone, by channel
  messages  bigint[], -- that were sent to them, and have been emptied
  pattern   text      -- finds their addresses in any text
) returns void language plpgsql security definer set search_path = public, pg_temp as $$
declare
  changed int;
begin
  if who is not null and not exists (select from person p where p.person_id = who and p.erased_at is not null) then
    raise exception 'person % is not being erased', who;
  end if;
  if number <> '' and (who is null or exists (select from person p where p.external_id = number)) then
    raise exception 'that membership number is somebody''s';
  end if;
  if exists (select from unnest(addresses) as own (address) where address_mark(own.address) is null) then
    raise exception 'that is no address';
  end if;
  if exists (select from unnest(channels, addresses) as own (channel, address) join address using (channel, address)) then
    raise exception 'that address is somebody''s';
  end if;
  if exists (
    select from unnest(messages) as given (message_id)
    where not exists (
      select from (
        select m.person_id, m.address from message m where m.message_id = given.message_id
        union all
        select m.person_id, m.address from message_archive m where m.message_id = given.message_id
      ) m
      left join person p using (person_id)
      where (who is null or m.person_id = who) and (m.address = 'erased-' || given.message_id or p.erased_at is not null)
    )
  ) then
    raise exception 'a message is not theirs, or has not been emptied';
  end if;

  perform set_config('muster.erased', jsonb_build_object(
    'who', who, 'number', number, 'channels', channels, 'addresses', addresses, 'rows', 0)::text, true);
  perform empty_ledgers(who, number, channels, addresses, messages, pattern);
  changed := current_setting('muster.erased')::jsonb ->> 'rows';
  perform set_config('muster.erased', '', true);
  if changed > 0 then
    insert into audit (actor, action, subject, detail)
    values (
      'database', 'ledgers.emptied',
      case when who is not null then 'person ' || who when cardinality(addresses) > 0 then 'an address' else 'messages' end,
      jsonb_build_object('rows', changed, 'login', session_user)
    );
  end if;
end $$;

-- Samples of what stands in columns are kept for the planner, and may be read by whoever may read the columns. Everything of
-- somebody who was erased goes from them when they are taken anew; only a table's owner may have that done, before 17.
create function forget_statistics() returns void language sql security definer set search_path = public, pg_temp as $$
  analyze person, address, message, message_event, message_archive, message_event_archive, suppression, suppression_event,
    consent_event, claim, audit, reply, alert, campaign, inbox, inbox_mail, inbox_malformed, soft_bounce, link_visit,
    told_once, webhook_event, webhook_delivery;
$$;

-- What runs with its owner's rights, or refuses a change for everybody, must find the owner's tables and no others. A path
-- without pg_temp is searched with it first, before pg_catalog even, and everybody can make a temporary pg_class.
do $$
declare
  one regprocedure;
begin
  for one in
    select oid from pg_proc
    where pronamespace = 'public'::regnamespace and (prosecdef or prorettype = 'trigger'::regtype or proconfig is not null)
      and not exists (select from pg_depend d where d.objid = pg_proc.oid and d.deptype = 'e')
  loop
    execute format('alter function %s set search_path = public, pg_temp', one);
    execute format('revoke all on function %s from public', one);
  end loop;
  -- nothing of ours needs temporary tables, nor functions that everybody may call; who was granted either has it still
  if pg_has_role((select datdba from pg_database where datname = current_database()), 'usage') then
    execute format('revoke temporary on database %I from public', current_database());
  end if;
end $$;

-- migrate:down
