-- name: read_variables
-- One person's variables, from the same view as a launch, so that a preview shows the same.
select variables from template_variables where person_id = $1;

-- name: list_attributes
-- All attributes ever imported: their names are variables as well.
select name from attribute order by name;

-- name: list_variables
-- Template variables of the people a preview renders for.
select person_id, variables from template_variables where person_id = any ($1::bigint[]);
