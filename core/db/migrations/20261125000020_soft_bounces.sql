-- migrate:up

-- Emails that came back for a reason that may pass (a full mailbox, a server that was away), one row for each message.
-- Enough of them over days mean that nobody reads that mailbox. A delivery settles what came before it.
create table soft_bounce (
  message_id bigint      primary key,
  address    text        not null,
  code       text        not null,
  at         timestamptz not null,
  settled_at timestamptz
);
create index soft_bounce_address on soft_bounce (address, at) where settled_at is null;
create index soft_bounce_at on soft_bounce (at);

-- migrate:down
