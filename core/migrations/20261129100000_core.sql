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

-- Audit: who did what, when, from where and by which permission. On whom, and the particulars, stand apart, as they may be
-- personal: a row has their salted digest, so that an erasure can take them out and the seal of the row still holds.
create table audit (
  audit_id   bigint generated always as identity primary key,
  at         timestamptz not null default now(),
  actor_kind text        not null check (actor_kind in ('operator', 'staff', 'key', 'member', 'system')),
  actor_id   bigint,               -- the account, key or person
  actor      text        not null, -- as they are shown; empty for a member
  came_from  text        not null, -- network address, or the system's account of an operator
  permission text,                 -- that allowed it, where one was asked
  action     text        not null check (action ~ '^[a-z_]+\.[a-z_]+$'),
  digest     bytea       not null  -- of salt, subject and detail
);

create table audit_detail (
  audit_id bigint primary key references audit,
  salt     bytea,               -- null: an erasure has taken something out
  subject  text   not null,     -- to what it was done
  detail   jsonb  not null
);
create index audit_detail_subject on audit_detail (subject);

-- The audit as people read it.
create view audit_shown as
select
  a.audit_id, a.at, a.actor_kind, a.actor_id, a.actor, a.came_from, a.permission, a.action, d.subject, d.detail,
  d.salt is null as erased
from audit a
join audit_detail d using (audit_id);

-- Seals: each covers the rows from the one before up to `last_audit_id`, and the seal before.
create table audit_seal (
  seal_id       bigint generated always as identity primary key,
  last_audit_id bigint      not null unique,
  rows          bigint      not null,
  sealed_at     timestamptz not null default now(),
  digest        bytea       not null
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

create trigger audit_recorded before insert on audit for each row execute function only_owner();
create trigger audit_detail_recorded before insert on audit_detail for each row execute function only_owner();
create trigger audit_seal_made before insert on audit_seal for each row execute function only_owner();
create trigger audit_append_only before update or delete on audit for each statement execute function refuse_change();
create trigger audit_seal_append_only before update or delete on audit_seal for each statement execute function refuse_change();
create trigger audit_detail_append_only before update on audit_detail
  for each row execute function only_erasure('salt', 'subject', 'detail');
create trigger audit_detail_stays before delete on audit_detail for each statement execute function refuse_change();

create function audit_digest(salt bytea, subject text, detail jsonb) returns bytea language sql immutable strict parallel safe as $$
  select sha256(salt || convert_to(jsonb_build_array(subject, detail)::text, 'UTF8'))
$$;

-- The only way into the audit. `actor` has kind, name, id and came_from (core/access.py).
create function record_audit(
  actor jsonb, action text, subject text, detail jsonb default '{}', at timestamptz default now(), permission text default null
) returns bigint language plpgsql security definer set search_path = public, pg_temp as $$
declare
  salt constant bytea := uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
  id bigint;
begin
  insert into audit (at, actor_kind, actor_id, actor, came_from, permission, action, digest)
  values (
    record_audit.at, record_audit.actor ->> 'kind', (record_audit.actor ->> 'id')::bigint, record_audit.actor ->> 'name',
    coalesce(record_audit.actor ->> 'came_from', ''), record_audit.permission, record_audit.action,
    audit_digest(salt, record_audit.subject, record_audit.detail)
  )
  returning audit_id into id;
  insert into audit_detail (audit_id, salt, subject, detail) values (id, salt, record_audit.subject, record_audit.detail);
  return id;
end $$;

-- Records what a function of the database did by itself, and by which login it was called.
create function record_own_action(action text, subject text, detail jsonb) returns bigint
language sql set search_path = public, pg_temp as $$
  select record_audit(
    jsonb_build_object('kind', 'system', 'name', 'database', 'came_from', session_user), action, subject, detail
  )
$$;

-- Rows of the audit after one number and up to another: how many there are, and the digest of a seal over them and the seal before.
create function audit_batch(after_id bigint, upto_id bigint, before bytea, out counted bigint, out digest bytea)
language sql stable set search_path = public, pg_temp as $$
  select
    count(*),
    sha256(
      coalesce(before, '') || convert_to(
        coalesce(
          string_agg(
            jsonb_build_array(
              a.audit_id, extract(epoch from a.at)::text, a.actor_kind, a.actor_id, a.actor, a.came_from, a.permission, a.action,
              encode(a.digest, 'hex')
            )::text,
            E'\n' order by a.audit_id
          ), ''
        ), 'UTF8'
      )
    )
  from audit a
  where a.audit_id > after_id and a.audit_id <= upto_id
$$;

-- Seals at most `most` of the rows up to a number, up to which no transaction may still add one; returns how many.
create function seal_audit(upto bigint, most integer) returns bigint
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  last_seal audit_seal;
  last_id bigint;
  batch record;
begin
  lock table audit_seal in share row exclusive mode; -- two workers must not make two chains
  select * into last_seal from audit_seal order by seal_id desc limit 1;
  select max(audit_id) into last_id from (
    select audit_id from audit
    where audit_id > coalesce(last_seal.last_audit_id, 0) and audit_id <= upto
    order by audit_id
    limit most
  ) as next;
  if last_id is null then
    return 0;
  end if;
  batch := audit_batch(coalesce(last_seal.last_audit_id, 0), last_id, last_seal.digest);
  insert into audit_seal (last_audit_id, rows, digest) values (last_id, batch.counted, batch.digest);
  return batch.counted;
end $$;

-- migrate:down
