-- migrate:up

-- Which migrations were run, only the owner writes down: the list steers what the next `muster migrate` does.
revoke insert, update, delete on schema_migrations from muster_worker;

-- The row that says which particulars an erasure took out makes their absence fit when the audit is checked. So it comes only
-- from the database's own functions: record_audit, which every process may call, refuses it.
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

create or replace function record_audit(
  actor jsonb, action text, subject text, detail jsonb default '{}', at timestamptz default now(), permission text default null
) returns bigint language plpgsql security definer set search_path = public, pg_temp as $$
begin
  if action = 'ledgers.emptied' then
    raise exception 'only a function of the database records %', action using errcode = 'insufficient_privilege';
  end if;
  return add_audit(actor, action, subject, detail, at, permission);
end $$;

create or replace function record_own_action(action text, subject text, detail jsonb) returns bigint
language sql set search_path = public, pg_temp as $$
  select add_audit(
    jsonb_build_object('kind', 'system', 'name', 'database', 'came_from', session_user), action, subject, detail, now(), null
  )
$$;

-- A seal covers no number that has not been given out: it would say of each row to come that it was added later.
create or replace function seal_audit(upto bigint, most integer) returns bigint
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
