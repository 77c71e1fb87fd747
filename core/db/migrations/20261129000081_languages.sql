-- migrate:up

-- The digits that a text offered its reader, and what each means: those of the text in their language, where the template
-- has one, or else of its own. Which language that is follows messaging/content/languages.py.
create function menu_of(content jsonb, variables jsonb) returns jsonb language sql immutable parallel safe as $$
  select coalesce(
    (
      select case when kind.code = said.code then content -> 'menu'
                  else content #> array['translations', kind.code, 'menu'] end
      from string_to_array(replace(lower(variables ->> 'language'), '_', '-'), '-') as parts
      cross join lateral generate_series(cardinality(parts), 1, -1) as n
      cross join lateral (select array_to_string(parts[:n], '-') as code) as kind
      cross join lateral (select coalesce(content ->> 'language', 'en') as code) as said
      where (kind.code = said.code and jsonb_typeof(content -> 'sms') = 'string')
        or jsonb_typeof(content #> array['translations', kind.code, 'sms']) = 'string'
      order by n desc
      limit 1
    ),
    content -> 'menu'
  )
$$;

-- migrate:down
