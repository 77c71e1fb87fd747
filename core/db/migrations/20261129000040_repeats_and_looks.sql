-- migrate:up

-- What came in and has been deleted is still known when it comes again: a provider's signature that says no date is good
-- for ever, and an old "1" or "STOP" of a member's must not count in the next ballot. Nothing can be read from a digest.
create table inbox_digest (
  digest   bytea       primary key, -- of the source and what it was known by
  noted_at timestamptz not null
);
create index inbox_digest_noted on inbox_digest (noted_at);

create function inbox_digest_of(source text, dedupe_key text) returns bytea
language sql stable strict parallel safe
as $$ select substring(sha256(convert_to(source || chr(10) || dedupe_key, 'UTF8')) for 16) $$;

-- A look that is kept after its time, because it says that the message was opened: one for each message.
alter table link_visit add column kept boolean not null default false;
-- squawk-ignore require-concurrent-index-creation
create index link_visit_age on link_visit (at) where not kept;

-- Note a look at a page. Of one page there are so many within a time and no more: one more takes the place of the oldest,
-- so that whoever asks for a page again and again fills nothing. Those that are being changed at this moment are let be.
create function note_look(
  looked_at bigint, page text, its_stage int, its_nonce bytea, looker text, seen text[], now timestamptz, before text,
  most int, within interval
) returns void
language plpgsql
as $$
begin
  if (
    select count(*) >= most from link_visit v
    where v.message_id = looked_at and v.action = page and v.at > now - within
  ) then
    update link_visit
    set stage = its_stage, nonce = its_nonce, agent = looker, signals = seen, at = now, answered_at = null, answer = null,
        asked = before
    where visit_id = (
      select v.visit_id from link_visit v
      where v.message_id = looked_at and v.action = page and v.at > now - within
      order by v.at, v.visit_id
      limit 1
      for update skip locked
    );
    if found then
      return;
    end if;
  end if;
  insert into link_visit (message_id, action, stage, nonce, agent, signals, at, asked)
  values (looked_at, page, its_stage, its_nonce, looker, seen, now, before);
end
$$;

-- The certificates of Amazon SNS that have signed something for us: known again after a restart, without asking anybody.
create table sns_certificate (
  url     text        primary key,
  pem     bytea       not null,
  used_at timestamptz not null
);

-- migrate:down
