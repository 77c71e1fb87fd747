-- migrate:up

-- Where a suppression comes from, of somebody who is being erased. Lists say it in words of their own, which may name the
-- person ("letter from Ann Lee"), or by the name of their file; what Muster itself writes down stays. Which words those are
-- is said at the beginning of the erasure, since they have the names of all providers among them: none said, none stays.
create or replace function impersonal_source(source text) returns text language sql stable parallel safe as $$
  select case
    when source = any (string_to_array(current_setting('muster.own_sources', true), ',')) then source
    else 'erased'
  end
$$;

-- migrate:down
