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

-- The transaction that a scope is for: a signature is worth nothing in any other, also not a later one of the same connection.
create function scope_place() returns text language sql stable parallel restricted set search_path = public, pg_temp as $$
  select pg_backend_pid() || '/' || (extract(epoch from now()) * 1000000)::bigint
$$;

-- The scope in the setting muster.scope, `people|contacts|signature`: the units whose people the actor may see, and those whose
-- addresses; each is `everywhere` or a list of ids with everything below them. Null where nothing is set, or the signature is not
-- of this scope and this transaction. Anybody can set the setting; only who has the key can sign.
create function signed_scope(out people text, out contacts text)
language plpgsql stable parallel restricted security definer set search_path = public, pg_temp as $$
declare
  parts constant text[] := string_to_array(nullif(current_setting('muster.scope', true), ''), '|');
  found_key scope_key;
  signature bytea;
begin
  if coalesce(cardinality(parts), 0) <> 3 then
    return;
  end if;
  select * into found_key from scope_key;
  signature := sha256(
    found_key.outer_pad
    || sha256(found_key.inner_pad || convert_to(concat_ws('|', parts[1], parts[2], scope_place()), 'UTF8'))
  );
  -- digests are compared: how long it takes says nothing of the signature
  if sha256(found_key.outer_pad || convert_to(encode(signature, 'hex'), 'UTF8'))
    = sha256(found_key.outer_pad || convert_to(parts[3], 'UTF8')) then
    people := parts[1];
    contacts := parts[2];
  end if;
end $$;

-- What policies ask. They stand there in a sub-select each, `(select scope_units())`, so that they are called once a query and not
-- once a row; with an array, units are looked up by the index.
create function scope_is_everywhere() returns boolean
language plpgsql stable parallel restricted security definer set search_path = public, pg_temp as $$
begin
  return coalesce((signed_scope()).people = 'everywhere', false);
end $$;

create function scope_units() returns bigint[]
language plpgsql stable parallel restricted security definer set search_path = public, pg_temp as $$
begin
  return coalesce(string_to_array(nullif((signed_scope()).people, 'everywhere'), ',')::bigint[], '{}');
end $$;

create function contacts_are_everywhere() returns boolean
language plpgsql stable parallel restricted security definer set search_path = public, pg_temp as $$
begin
  return coalesce((signed_scope()).contacts = 'everywhere', false);
end $$;

create function contact_units() returns bigint[]
language plpgsql stable parallel restricted security definer set search_path = public, pg_temp as $$
begin
  return coalesce(string_to_array(nullif((signed_scope()).contacts, 'everywhere'), ',')::bigint[], '{}');
end $$;

-- Whether a scope is set that is not the whole organisation: sums of everybody are then no answer.
create function scope_is_partial() returns boolean
language plpgsql stable parallel restricted security definer set search_path = public, pg_temp as $$
begin
  return coalesce((signed_scope()).people <> 'everywhere', false);
end $$;

grant execute on function
  scope_place, scope_is_everywhere, scope_units, contacts_are_everywhere, contact_units, scope_is_partial
  to muster_worker, muster_staff, muster_staff_all;

-- Views read with the rights of whoever asks, so that policies hold behind them, too.
alter view audit_shown set (security_invoker = true);

-- What went wrong is for those who look after the whole organisation.
alter table alert enable row level security;
create policy worker on alert to muster_worker using (true) with check (true);
create policy staff on alert for select to muster_staff, muster_staff_all using ((select scope_is_everywhere()));
grant select on alert to muster_staff, muster_staff_all;

-- migrate:down
