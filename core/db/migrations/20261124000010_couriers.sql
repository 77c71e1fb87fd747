-- Made before the first release, so there is no table full of rows that could be blocked meanwhile.
-- squawk-ignore-file require-concurrent-index-creation, require-concurrent-index-deletion, ban-drop-column
-- squawk-ignore-file adding-serial-primary-key-field, constraint-missing-not-valid, ban-drop-constraint
-- migrate:up

-- A worker that sends, as long as its heart beats. What it has claimed is its own until it is declared gone.
create table courier (
  courier_id bigint generated always as identity primary key,
  name       text        not null,
  entered_at timestamptz not null default now(),
  until      timestamptz not null, -- without another heartbeat, anybody may declare it gone from then on
  gone_at    timestamptz
);
create index courier_until on courier (until) where gone_at is null;

-- A claim names the courier instead of holding a lease of its own: nothing is written again only because time passes, and
-- a mark for the wire touches no index.
alter table message add column courier_id bigint;
update message set state = case when wire_at is null then 'queued' else 'ambiguous' end::message_state where state = 'sending';
drop index message_leased;
alter table message drop column lease_until;
create index message_claimed on message (courier_id) where state = 'sending';

-- One index for an event instead of two: events are only ever read by their message.
alter table message_event drop constraint message_event_pkey;
drop index message_event_message;
alter table message_event add primary key (message_id, event_id);

-- Links are written in the order of their messages: a thousandth of the index finds them.
drop index link_message;
create index link_message on link using brin (message_id);

-- migrate:down
