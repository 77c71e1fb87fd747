-- name: person_variables
-- One person's variables; the view says what they are, so a preview shows what a launch snapshots.
select variables from template_variables where person_id = $1;

-- name: attribute_names
-- Everything an import has ever brought: these names are variables as well.
select name from attribute order by name
