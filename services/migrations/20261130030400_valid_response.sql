-- migrate:up

-- "Standing" was another word for what everything else calls valid.
-- squawk-ignore renaming-object
alter view response_standing rename to valid_response;

-- migrate:down
