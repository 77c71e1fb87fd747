-- migrate:up

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
  to muster_worker, muster_staff, muster_staff_all;

-- Views read with the rights of whoever asks, so that policies hold behind them, too.
alter view audit_shown set (security_invoker = true);

-- What went wrong is for those who look after the whole organisation and may see addresses: alerts name mailboxes and senders, and
-- repeat what providers said.
alter table alert enable row level security;
create policy worker on alert to muster_worker using (true) with check (true);
create policy staff on alert for select to muster_staff, muster_staff_all
  using ((select scope_is_everywhere() and contacts_are_everywhere()));
grant select on alert to muster_staff, muster_staff_all;

-- migrate:down
