-- migrate:up

-- What a phone has been told once and need not hear again.
create table told_once (
  channel text        not null,
  address text        not null,
  what    text        not null, -- no_pictures
  at      timestamptz not null default now(),
  primary key (channel, address, what)
);

-- How far the provider's own list of what came in has been compared with ours.
create table caught_up (
  source    text        primary key, -- twilio_inbound
  through   timestamptz not null,    -- everything before is ours
  looked_at timestamptz not null     -- when somebody last began to look
);

-- migrate:down
