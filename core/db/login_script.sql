-- name: logins
-- Makes the five logins, or mends ones that are there, and grants what only a database's owner can grant; rights to tables
-- are granted in migrations. Nothing that is right is touched, because altering each kind of attribute takes a right of
-- its own.
do $logins$
declare
  login text;
  role pg_roles;
  granted record;
  kept record;
  given record;
  taken regprocedure;
  kept_for text;
  newer constant boolean := current_setting('server_version_num')::integer >= 160000;
begin
  perform pg_advisory_xact_lock(hashtextextended('logins of Muster', 0));  -- several may run this at once
  foreach login in array array['muster_owner', 'muster_worker', 'muster_staff', 'muster_staff_all', 'muster_reports'] loop
    if not exists (select from pg_roles where rolname = login) then
      execute format('create role %I login noinherit', login);
    end if;
    select * into role from pg_roles where rolname = login;
    if role.rolsuper then execute format('alter role %I nosuperuser', login); end if;
    if role.rolbypassrls then execute format('alter role %I nobypassrls', login); end if;
    if role.rolreplication then execute format('alter role %I noreplication', login); end if;
    if role.rolcreatedb then execute format('alter role %I nocreatedb', login); end if;
    if role.rolcreaterole then execute format('alter role %I nocreaterole', login); end if;
    if role.rolinherit or not role.rolcanlogin then execute format('alter role %I login noinherit', login); end if;
    -- a member of another role can become it
    for granted in
      select r.rolname as name, g.rolname as grantor
      from pg_auth_members m join pg_roles r on r.oid = m.roleid left join pg_roles g on g.oid = m.grantor
      where m.member = role.oid
    loop
      execute format('revoke %I from %I', granted.name, login)
        || case when newer then format(' granted by %I', granted.grantor) else '' end || ' cascade';
    end loop;
    -- a login may `alter role` itself, so smuggled SQL may have: these settings would hold for every session after it
    for kept in
      select d.datname as name, split_part(setting, '=', 1) as setting
      from pg_db_role_setting s left join pg_database d on d.oid = s.setdatabase, unnest(s.setconfig) as setting
      where s.setrole = role.oid
        and (s.setdatabase = 0 or d.datname = current_database())
        and (
          split_part(setting, '=', 1) in ('search_path', 'row_security', 'role')
          -- those for one database would count for more than those that follow
          or s.setdatabase <> 0 and split_part(setting, '=', 1) in (select name from (values {settings}) as w (login, name, value))
        )
    loop
      execute format('alter role %I', login)
        || case when kept.name is null then '' else format(' in database %I', kept.name) end
        || format(' reset %I', kept.setting);
    end loop;
    for given in
      select w.name, w.value
      from (values {settings}) as w (login, name, value)
      where w.login = role.rolname and not exists (
        select from pg_db_role_setting s
        where s.setrole = role.oid and s.setdatabase = 0 and format('%s=%s', w.name, w.value) = any (s.setconfig)
      )
    loop
      execute format('alter role %I set %I to %L', login, given.name, given.value);
    end loop;
    execute format('grant connect on database %I to %I', current_database(), login);
    if login <> 'muster_owner' then execute format('revoke create on schema public from %I', login); end if;
    execute format('grant usage on schema public to %I', login);
  end loop;
  execute format('grant create on database %I to muster_owner', current_database());
  grant create on schema public to muster_owner;
  -- nobody else makes tables that a function could take for Muster's
  revoke create on schema public from public;
  -- How many rows a statement has looked at tells whether a hidden row has a value. A large object is a write that no table
  -- sees, and each login may end the sessions of its own. Only a superuser can take these functions from everybody.
  if (select rolsuper from pg_roles where rolname = current_user) then
    for taken, kept_for in
      select
        p.oid,
        case
          when p.proname like 'pg\_stat\_%' then 'pg_monitor'
          when p.proname like 'pg\_%\_backend' then 'pg_signal_backend'
          else current_user
        end
      from pg_proc p
      where p.pronamespace = 'pg_catalog'::regnamespace
        and (
          p.proname like 'pg\_stat\_get\_xact\_%'
          or p.proname in ('lo_creat', 'lo_create', 'lo_from_bytea', 'pg_cancel_backend', 'pg_terminate_backend')
        )
    loop
      execute format('revoke execute on function %s from public', taken);
      execute format('grant execute on function %s to %I', taken, kept_for);
    end loop;
  end if;
  execute format('revoke temporary on database %I from public', current_database());
  if not (
    has_schema_privilege('muster_owner', 'public', 'create')
    and has_database_privilege('muster_owner', current_database(), 'create')
    and has_database_privilege('muster_worker', current_database(), 'connect')
  ) then
    raise exception 'only the owner of the database may grant rights to it' using errcode = 'insufficient_privilege';
  end if;
end $logins$;

-- name: ownership
-- Hands tables, functions and types that belong to somebody else to `muster_owner`, as after a backup was restored without
-- the names of owners.
do $ownership$
declare
  statements text[];
  statement text;
  joins boolean;
begin
  select array_agg(format('alter %s %s owner to muster_owner', kind, name)) into statements
  from (
    select 'table', c.oid::regclass::text, pg_get_userbyid(c.relowner)
    from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'S')
      and not exists (  -- a sequence of a column goes with its table
        select from pg_depend d
        where d.classid = 'pg_class'::regclass and d.objid = c.oid
          and (d.deptype = 'e' or c.relkind = 'S' and d.deptype in ('a', 'i'))
      )
    union all
    select 'routine', p.oid::regprocedure::text, pg_get_userbyid(p.proowner)
    from pg_proc p
    where p.pronamespace = 'public'::regnamespace
      and not exists (
        select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
      )
    union all
    select 'type', t.oid::regtype::text, pg_get_userbyid(t.typowner)
    from pg_type t
    where t.typnamespace = 'public'::regnamespace and t.typtype in ('d', 'e')
      and not exists (
        select from pg_depend d where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e'
      )
  ) as thing (kind, name, owner)
  where owner <> 'muster_owner';
  if statements is null then
    return;
  end if;
  joins := not (select rolsuper from pg_roles where rolname = current_user);
  if joins then  -- only a role that can become the new owner may give it something
    execute format('grant muster_owner to %I', current_user);
  end if;
  foreach statement in array statements loop
    execute statement;
  end loop;
  if joins then
    execute format('revoke muster_owner from %I', current_user);
  end if;
end $ownership$;
