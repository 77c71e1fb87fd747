-- migrate:up

-- Any part of a name, a number or a mailbox is found by its groups of three letters. The extension is part of PostgreSQL,
-- but not installed on every server: there, a search reads every member, which 120,000 are few enough for.
do $$
begin
  create extension if not exists pg_trgm;
exception when undefined_file or insufficient_privilege or feature_not_supported then
  raise notice 'pg_trgm is not to be had here: searching for members reads all of them';
end $$;

-- Functions are for those who are granted them. What only computes, or reads with its caller's own rights, is granted to
-- everybody at the end of each of these files.
alter default privileges revoke execute on functions from public;

-- Nothing of ours needs temporary tables. Everybody could make one called as a table that a function looks for; whoever was
-- granted them has them still.
do $$
begin
  if pg_has_role((select datdba from pg_database where datname = current_database()), 'usage') then
    execute format('revoke temporary on database %I from public', current_database());
  end if;
end $$;

-- What a trigger, or a function with its owner's rights, names must be the owner's tables and no others. So all of them have
-- `search_path = public, pg_temp`: a path without pg_temp is searched with it first, before pg_catalog even.

-- Alerts: what went wrong lately and what to do about it, one row a key; staff see it until it is resolved.
create table alert (
  alert_id    bigint generated always as identity primary key,
  key         text        not null,
  severity    text        not null check (severity in ('notice', 'warning', 'error')),
  title       text        not null,
  remedy      text        not null,
  detail      jsonb       not null default '{}',
  times       bigint      not null default 1,
  first_at    timestamptz not null default now(),
  last_at     timestamptz not null default now(),
  resolved_at timestamptz
);
create unique index alert_open on alert (key) where resolved_at is null;

-- Audit of who did what. Append-only.
create table audit (
  audit_id bigint generated always as identity primary key,
  at       timestamptz not null default now(),
  actor    text        not null,
  action   text        not null,
  subject  text        not null,
  detail   jsonb       not null default '{}'
);

-- Ledgers are append-only, whoever asks: these two triggers guard all of them.
create function refuse_change() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  raise exception 'table % is append-only: to correct a row, add another', tg_table_name;
end $$;

-- The one change that ledgers let through: functions of their owner's (finish_erasure, with the campaigns) may take personal
-- detail out of a row. Which columns hold it is named where each trigger is made; all others stay as they are. Anybody can set
-- a setting; nobody else is the table's owner.
create function only_erasure() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  if coalesce(current_setting('muster.erasing', true), '') <> 'on'
    or current_user <> (select pg_get_userbyid(c.relowner) from pg_class c where c.oid = tg_relid)
    or to_jsonb(old) - tg_argv <> to_jsonb(new) - tg_argv then
    raise exception 'table % is append-only: to correct a row, add another', tg_table_name;
  end if;
  return new;
end $$;

-- Tables that the owner's functions go by are written by those alone.
create function only_owner() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  if current_user <> (select pg_get_userbyid(c.relowner) from pg_class c where c.oid = tg_relid) then
    raise exception 'table %: only a function of the database may do this', tg_table_name;
  end if;
  return case tg_op when 'DELETE' then old else new end;
end $$;

create trigger audit_append_only before update on audit for each row execute function only_erasure('subject', 'detail');
create trigger audit_stays before delete on audit for each statement execute function refuse_change();

-- migrate:down
