-- migrate:up

-- Any part of a name, a number or a mailbox is found by its groups of three letters. The extension is part of PostgreSQL,
-- but not installed on every server: there, a search reads every member, which 120,000 are few enough for.
do $$
begin
  create extension if not exists pg_trgm;
exception when undefined_file or insufficient_privilege or feature_not_supported then
  raise notice 'pg_trgm is not to be had here: searching for members reads all of them';
end $$;

-- Rights of the logins (core/db/logins.py), which are there already: `muster migrate` makes them, or an administrator, or the start
-- of the embedded server. `muster_worker` works with every row of every table and owns none. The logins of staff and reports are
-- granted nothing here: what they may see is granted table by table, with the policies of each. Functions are for those who are
-- granted them: what only computes, or reads with its caller's own rights, is granted to everybody at the end of each of these files.
alter default privileges revoke execute on functions from public;
alter default privileges in schema public grant select, insert, update, delete on tables to muster_worker;
alter default privileges in schema public grant usage, select on sequences to muster_worker;
alter default privileges in schema public grant execute on functions to muster_worker;

-- Which migrations were run, only the owner writes down: the list, which dbmate has made by now, steers what the next
-- `muster migrate` does.
grant select on schema_migrations to muster_worker;

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

-- Renews the planner's statistics of a table, which only its owner may before PostgreSQL 17.
create function refresh_statistics(variadic tables regclass[]) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  known regclass;
begin
  foreach known in array tables loop
    execute format('analyze %s', known);
  end loop;
end $$;

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

-- Staff read by logins of their own, muster_staff and muster_staff_all, which are granted table by table and see by row-level
-- security what their actor may (docs/access.md). A table that they are granted and that speaks of people has three policies,
-- named for the logins they are for: `worker` lets all rows through, `staff` those of the units in the scope, `staff_all` all of
-- them once a scope of the whole organisation is set. The owner of the tables is not asked.

-- The key that scopes are signed with: the application reads it as muster_worker, and no login of staff can.
create table scope_key (
  only_one  boolean primary key default true check (only_one),
  key       bytea   not null check (length(key) = 64),
  inner_pad bytea   not null, -- the key as HMAC takes it (RFC 2104): each byte against 0x36 …
  outer_pad bytea   not null  -- … and against 0x5c
);
do $$
declare
  made bytea := '';
  inner_pad bytea;
  outer_pad bytea;
begin
  for n in 1..4 loop
    made := made || uuid_send(gen_random_uuid());
  end loop;
  inner_pad := made;
  outer_pad := made;
  for n in 0..63 loop
    inner_pad := set_byte(inner_pad, n, get_byte(made, n) # 54);
    outer_pad := set_byte(outer_pad, n, get_byte(made, n) # 92);
  end loop;
  insert into scope_key (key, inner_pad, outer_pad) values (made, inner_pad, outer_pad);
end $$;
create trigger scope_key_stays before insert or update or delete on scope_key for each row execute function only_owner();

-- The transaction that a scope is for: a signature is refused in any other, also not a later one of the same connection.
-- This function and the small ones below have no settings of their own, so that PostgreSQL puts their bodies, which were parsed
-- here, into the query: a policy calls one function.
create function transaction_key() returns text language sql stable parallel restricted
return pg_backend_pid() || '/' || (extract(epoch from now()) * 1000000)::bigint;

-- The scope in the setting muster.scope, `people|contacts|signature`: the units whose people the actor may see, and those whose
-- addresses; each is `everywhere` or a list of ids with everything below them. Null where nothing is set, or the signature is not
-- of this scope and this transaction. Anybody can set the setting; only who has the key can sign.
create function signed_scope() returns text[]
language plpgsql stable parallel restricted security definer set search_path = public, pg_temp as $$
declare
  parts constant text[] := string_to_array(current_setting('muster.scope', true), '|');
  inner_key bytea;
  outer_key bytea;
begin
  if coalesce(cardinality(parts), 0) <> 3 then
    return null;
  end if;
  select k.inner_pad, k.outer_pad into inner_key, outer_key from scope_key k;
  -- digests are compared: how long it takes says nothing of the signature
  if sha256(outer_key || convert_to(parts[3], 'UTF8')) = sha256(
    outer_key || convert_to(
      encode(
        sha256(
          outer_key || sha256(inner_key || convert_to(parts[1] || '|' || parts[2] || '|' || transaction_key(), 'UTF8'))
        ), 'hex'
      ), 'UTF8'
    )
  ) then
    return parts[1:2];
  end if;
  return null;
end $$;

-- What policies ask. They stand there in a sub-select each, `(select scope_units())`, so that they are called once a query and not
-- once a row; with an array, units are looked up by the index.
create function scope_is_everywhere() returns boolean language sql stable parallel restricted
return coalesce((signed_scope())[1] = 'everywhere', false);

create function scope_units() returns bigint[] language sql stable parallel restricted
return coalesce(string_to_array(nullif((signed_scope())[1], 'everywhere'), ',')::bigint[], '{}');

create function contacts_are_everywhere() returns boolean language sql stable parallel restricted
return coalesce((signed_scope())[2] = 'everywhere', false);

create function contact_units() returns bigint[] language sql stable parallel restricted
return coalesce(string_to_array(nullif((signed_scope())[2], 'everywhere'), ',')::bigint[], '{}');

-- Whether a scope is set that is not the whole organisation: sums of everybody are then no answer.
create function scope_is_partial() returns boolean language sql stable parallel restricted
return coalesce((signed_scope())[1] <> 'everywhere', false);

grant execute on function
  transaction_key, signed_scope, scope_is_everywhere, scope_units, contacts_are_everywhere, contact_units, scope_is_partial
  to muster_staff, muster_staff_all;

-- Alerts: what went wrong lately and what to do about it, one row a key; staff see it until it is resolved. They name mailboxes and
-- senders, and repeat what providers said, so they are for those who look after the whole organisation and may see addresses.
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
alter table alert enable row level security;
create policy worker on alert to muster_worker using (true) with check (true);
create policy staff on alert for select to muster_staff, muster_staff_all
  using ((select scope_is_everywhere() and contacts_are_everywhere()));
grant select on alert to muster_staff, muster_staff_all;

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
create trigger audit_recorded before insert on audit for each row execute function only_owner();
create trigger audit_append_only before update or delete on audit for each statement execute function refuse_change();

create table audit_detail (
  audit_id bigint primary key references audit,
  salt     bytea,               -- null: an erasure has taken something out
  subject  text   not null,     -- to what it was done
  detail   jsonb  not null
);
create index audit_detail_subject on audit_detail (subject);
create trigger audit_detail_recorded before insert on audit_detail for each row execute function only_owner();
create trigger audit_detail_append_only before update on audit_detail
  for each row execute function only_erasure('salt', 'subject', 'detail');
create trigger audit_detail_stays before delete on audit_detail for each statement execute function refuse_change();

-- The audit as people read it. Views read with the rights of whoever asks, so that policies hold behind them, too.
create view audit_shown with (security_invoker = true) as
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
create trigger audit_seal_made before insert on audit_seal for each row execute function only_owner();
create trigger audit_seal_append_only before update or delete on audit_seal for each statement execute function refuse_change();

create function audit_digest(salt bytea, subject text, detail jsonb) returns bytea language sql immutable strict parallel safe as $$
  select sha256(salt || convert_to(jsonb_build_array(subject, detail)::text, 'UTF8'))
$$;

-- Writes a row of the audit, for functions of the database alone: one of them records which particulars an erasure took out, and
-- that row makes their absence fit when the audit is checked.
create function add_audit(
  actor jsonb, action text, subject text, detail jsonb, at timestamptz, permission text
) returns bigint language plpgsql set search_path = public, pg_temp as $$
declare
  salt constant bytea := uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
  id bigint;
begin
  insert into audit (at, actor_kind, actor_id, actor, came_from, permission, action, digest)
  values (
    add_audit.at, add_audit.actor ->> 'kind', (add_audit.actor ->> 'id')::bigint, add_audit.actor ->> 'name',
    coalesce(add_audit.actor ->> 'came_from', ''), add_audit.permission, add_audit.action,
    audit_digest(salt, add_audit.subject, add_audit.detail)
  )
  returning audit_id into id;
  insert into audit_detail (audit_id, salt, subject, detail) values (id, salt, add_audit.subject, add_audit.detail);
  return id;
end $$;
revoke execute on function add_audit from muster_worker;

-- The way into the audit for everything else. `actor` has kind, name, id and came_from (core/access.py).
create function record_audit(
  actor jsonb, action text, subject text, detail jsonb default '{}', at timestamptz default now(), permission text default null
) returns bigint language plpgsql security definer set search_path = public, pg_temp as $$
begin
  if action = 'ledgers.emptied' then
    raise exception 'only a function of the database records %', action using errcode = 'insufficient_privilege';
  end if;
  return add_audit(actor, action, subject, detail, at, permission);
end $$;

-- Records what a function of the database did by itself, and by which login it was called.
create function record_own_action(action text, subject text, detail jsonb) returns bigint
language sql set search_path = public, pg_temp as $$
  select add_audit(
    jsonb_build_object('kind', 'system', 'name', 'database', 'came_from', session_user), action, subject, detail, now(), null
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

-- Seals at most `most` of the rows up to a number, up to which no transaction may still add one; returns how many. It covers no
-- number that has not been given out: the seal would say of each row to come that it was added later.
create function seal_audit(upto bigint, most integer) returns bigint
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  given_out constant bigint := coalesce(pg_sequence_last_value(pg_get_serial_sequence('audit', 'audit_id')::regclass), 0);
  last_seal audit_seal;
  last_id bigint;
  batch record;
begin
  if upto > given_out then
    raise exception 'audit % was not recorded yet', upto using errcode = 'invalid_parameter_value';
  end if;
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
