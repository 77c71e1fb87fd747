-- migrate:up

-- A cell that a spreadsheet could not show rightly (#N/A, a formula without a result) says nothing: what was known stays.
-- Names what of a row stays: `unit`, `phone`, `email`, `attributes.<name>`.
alter table staged_person add column kept text[] not null default '{}';

-- migrate:down
