-- name: read_variables
-- One person's variables, from the same view as a launch, so that a preview shows the same.
select variables from template_variables where person_id = $1;

-- name: list_attributes
-- All attributes ever imported: their names are variables as well.
select name from attribute order by name;
