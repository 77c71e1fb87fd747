-- name: effective
-- What this session has: by the login, the database or the server, whichever counts.
select s.name, current_setting(s.name) as value, session_user::text as login from unnest($1::text[]) as s (name);
