-- name: whoami
-- The login of this connection, and what it could do beyond the rights that were granted to it. The role that signed in
-- counts, because any statement can leave a role that was set later.
select
  session_user::text as name,
  r.rolsuper as superuser,
  r.rolbypassrls as bypassrls,
  r.rolcreaterole as createrole,
  r.rolcreatedb as createdb,
  r.rolreplication as replication,
  current_user <> session_user as is_somebody_else,
  exists (select from pg_class c where c.relowner = r.oid and c.relnamespace = 'public'::regnamespace)
    or exists (select from pg_database d where d.datname = current_database() and d.datdba = r.oid) as owns,
  (
    select string_agg(granted.rolname, ', ' order by granted.rolname)
    from pg_auth_members m join pg_roles granted on granted.oid = m.roleid
    where m.member = r.oid
  ) as memberships
from pg_roles r
where r.rolname = session_user;

-- name: shortcomings
-- What keeps `muster migrate` from its work, or would make a login more than it may be; nothing where all is well.
-- Tables of an extension belong to the role that installed it.
with wanted as (
  select w.name, r.* from unnest($1::text[]) as w (name) left join pg_roles r on r.rolname = w.name
), strangers as (
  select c.relowner::regrole::text as owner, count(*) as n
  from pg_class c
  where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
    and c.relowner <> coalesce((select oid from wanted where name = 'muster_owner'), 0)
    and not exists (
      select from pg_depend d
      where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
    )
  group by c.relowner
)
select name || ' does not exist.' as sentence from wanted where oid is null
union all
select name || ' may not sign in.' from wanted where not rolcanlogin
union all
select name || ' is a superuser.' from wanted where rolsuper
union all
select name || ' passes by row-level security (BYPASSRLS).' from wanted where rolbypassrls
union all
select name || ' may make other logins (CREATEROLE).' from wanted where rolcreaterole
union all
select name || ' may make databases (CREATEDB).' from wanted where rolcreatedb
union all
select name || ' may copy the whole server (REPLICATION).' from wanted where rolreplication
union all
select format('%s can become %s.', w.name, granted.rolname)
from wanted w join pg_auth_members m on m.member = w.oid join pg_roles granted on granted.oid = m.roleid
union all
select format('%s has been given the setting %s.', w.name, split_part(setting, '=', 1))
from wanted w
join pg_db_role_setting s on s.setrole = w.oid
left join pg_database d on d.oid = s.setdatabase, unnest(s.setconfig) as setting
where (s.setdatabase = 0 or d.datname = current_database())
  and (
    split_part(setting, '=', 1) in ('search_path', 'row_security', 'role')
    or s.setdatabase <> 0 and exists (
      select from unnest($2::text[], $3::text[]) as g (login, name) where g.login = w.name and g.name = split_part(setting, '=', 1)
    )
  )
union all
select format('%s has not been given the setting %s = %s.', w.name, g.name, g.value)
from unnest($2::text[], $3::text[], $4::text[]) as g (login, name, value)
join wanted w on w.name = g.login and w.oid is not null
where not exists (
  select from pg_db_role_setting s
  where s.setrole = w.oid and s.setdatabase = 0 and format('%s=%s', g.name, g.value) = any (s.setconfig)
)
union all
select format('%s of the tables and views belong to %s and not to muster_owner.', n, owner) from strangers
union all
select name || ' may make tables in this database.' from wanted
where name <> 'muster_owner' and oid is not null and has_schema_privilege(oid, 'public', 'create')
union all
select 'muster_owner may not make tables in this database.' from wanted
where name = 'muster_owner' and oid is not null
  and not (has_schema_privilege(oid, 'public', 'create') and has_database_privilege(oid, current_database(), 'create'))
order by sentence;
