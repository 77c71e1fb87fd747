-- migrate:up

-- The host that a passkey was made for: browsers use it nowhere else. Null for those from before this: the present host.
alter table staff_passkey add column host text;

-- migrate:down
