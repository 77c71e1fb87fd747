-- name: delete_codes
-- Deletes the former codes, which new ones replace.
delete from staff_recovery_code where staff_id = $1;

-- name: add_codes
-- Adds codes, as digests.
insert into staff_recovery_code (staff_id, digest, made_at) select $1, unnest($2::bytea[]), $3;

-- name: use_code
-- Uses a code up, in one statement: of two presses at once, one counts.
update staff_recovery_code set used_at = $3 where staff_id = $1 and digest = $2 and used_at is null returning used_at;

-- name: count_left
-- Codes that were not used yet.
select count(*) from staff_recovery_code where staff_id = $1 and used_at is null;
