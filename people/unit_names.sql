-- name: list_unit_paths
-- Units by their own name and by their path from the top, so that "Leeds" will do where there is only one.
select unit_id, name, unit_path(lineage, '/') as path from unit;
