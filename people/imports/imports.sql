-- name: record_import
-- Records a file, so that staff can find out where somebody's data came from.
insert into member_import (file_name, sha256, actor, started_at, created, updated, unchanged, rejected)
values ($1, $2, $3, $4, $5, $6, $7, $8) returning import_id;
