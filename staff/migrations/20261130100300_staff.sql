-- migrate:up

-- Accounts of those who work with Muster. What each may do, their grants say.
create table staff (
  staff_id          bigint generated always as identity primary key,
  email             text        not null unique,
  name              text        not null,
  phone             text,                 -- for sign-in links by text; E.164
  phone_verified_at timestamptz,          -- a link by text that was used shows that whoever holds the account holds the phone
  passkey_handle    uuid,                 -- names the account to passkeys, and tells nothing about it
  created_at        timestamptz not null default now(),
  signed_in_at      timestamptz,          -- last, in whatever way, so that accounts of those who left long ago stand out
  disabled_at       timestamptz
);

-- A grant is given, and may be revoked, once: the rows are the history of who was let to do what.
create table staff_grant (
  grant_id   bigint      generated always as identity primary key,
  staff_id   bigint      not null references staff,
  role       text        not null,  -- one of staff/roles.py
  unit_id    bigint      references unit, -- with everything below it; null: the whole organisation
  starts_at  timestamptz not null,
  ends_at    timestamptz check (ends_at > starts_at),
  given_by   text        not null,
  given_at   timestamptz not null,
  revoked_by text,
  revoked_at timestamptz,
  check ((revoked_by is null) = (revoked_at is null))
);
create index staff_grant_staff on staff_grant (staff_id) where revoked_at is null;
create index staff_grant_unit on staff_grant (unit_id); -- for units that go

create function only_revoked() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  if old.revoked_at is not null
    or (old.grant_id, old.staff_id, old.role, old.unit_id, old.starts_at, old.ends_at, old.given_by, old.given_at)
    is distinct from (new.grant_id, new.staff_id, new.role, new.unit_id, new.starts_at, new.ends_at, new.given_by, new.given_at)
  then
    raise exception 'a grant can only be revoked, and once: to change it, revoke it and give another';
  end if;
  return new;
end $$;
create trigger staff_grant_revoked before update on staff_grant for each row execute function only_revoked();
create trigger staff_grant_stays before delete on staff_grant for each statement execute function refuse_change();

-- A sign-in link works once, briefly. Only digests are stored: of the token, and of its pieces, by which it is recognised where
-- somebody sends it back.
create table sign_in (
  digest     bytea       primary key,
  pieces     bytea[]     not null,
  staff_id   bigint      not null references staff,
  phone      text,                               -- to which it went, where it went by text
  is_proof   boolean     not null default false, -- counts as a second factor: `muster run` prints it to whoever tries Muster out on
                                                 -- their own machine
  expires_at timestamptz not null,
  used_at    timestamptz
);
create index sign_in_unused on sign_in (expires_at) where used_at is null; -- asked for whatever comes in that may hold a token

-- A session's token changes every hour. All the tokens that followed from one sign-in are a family: it began once, ends
-- together, and of each token there is one successor.
create table staff_session (
  digest           bytea       primary key,
  staff_id         bigint      not null references staff,
  family           uuid        not null default gen_random_uuid(),
  browser          text        not null default '', -- `Firefox on Windows`, nothing more of what browsers say
  came_from        text        not null default '', -- the network, not the address
  began_at         timestamptz not null default now(),
  created_at       timestamptz not null default now(),
  seen_at          timestamptz not null default now(),
  second_factor_at timestamptz,                     -- when its holder last proved a second factor with it
  expires_at       timestamptz not null,
  retired_at       timestamptz
);
create index staff_session_family on staff_session (family);
create index staff_session_staff on staff_session (staff_id);

-- An invitation becomes an account with a grant when it is accepted; only digests of its link are stored.
create table staff_invitation (
  invitation_id bigint      generated always as identity primary key,
  digest        bytea       not null unique,
  pieces        bytea[]     not null,
  email         text        not null,
  name          text        not null,
  role          text        not null,
  unit_id       bigint      references unit,
  ends_at       timestamptz,               -- of the grant
  invited_by    jsonb       not null, -- kind, name, id and came_from: their authority is asked for again when it is accepted
  invited_at    timestamptz not null,
  expires_at    timestamptz not null,
  accepted_at   timestamptz,
  withdrawn_at  timestamptz,
  staff_id      bigint      references staff -- once it is accepted
);
create unique index staff_invitation_open on staff_invitation (email) where accepted_at is null and withdrawn_at is null;
create index staff_invitation_unit on staff_invitation (unit_id);
create index staff_invitation_staff on staff_invitation (staff_id);

-- Codes of an authenticator app. A secret counts once a code of it was entered; until then the one before stays.
create table staff_totp (
  totp_id      bigint      generated always as identity primary key,
  staff_id     bigint      not null references staff,
  family       uuid,                 -- while it is being set up: the session that does, which alone sees and confirms it
  secret       bytea       not null, -- encrypted
  made_at      timestamptz not null,
  confirmed_at timestamptz,
  last_step    bigint      not null default 0, -- of the last code that was accepted: a code counts once
  check ((family is null) = (confirmed_at is not null))
);
create unique index staff_totp_confirmed on staff_totp (staff_id) where confirmed_at is not null;
create unique index staff_totp_unconfirmed on staff_totp (staff_id, family) where confirmed_at is null;

-- Recovery codes, for a phone that is lost: digests.
create table staff_recovery_code (
  staff_id bigint      not null references staff,
  digest   bytea       not null,
  made_at  timestamptz not null,
  used_at  timestamptz,
  primary key (staff_id, digest)
);

create table staff_passkey (
  passkey_id    bigint      generated always as identity primary key,
  staff_id      bigint      not null references staff,
  credential_id bytea       not null unique,
  public_key    bytea       not null,
  sign_count    bigint      not null,
  name          text        not null, -- `Firefox on Windows`: where it was made
  host          text,                 -- that it was made for: browsers use it nowhere else; null: the present one
  made_at       timestamptz not null,
  used_at       timestamptz,
  copied_at     timestamptz -- when its count went back, as that of a copy does: from then on it is refused
);
create index staff_passkey_staff on staff_passkey (staff_id);

-- A challenge is used up by the first answer to it. One of a session is answered in that session alone.
create table passkey_challenge (
  challenge  bytea       primary key,
  purpose    text        not null check (purpose in ('sign in', 'prove', 'register')),
  family     uuid,
  expires_at timestamptz not null,
  check ((purpose = 'sign in') = (family is null))
);
create index passkey_challenge_expires on passkey_challenge (expires_at);
create index passkey_challenge_sign_in on passkey_challenge (expires_at) where family is null; -- to keep the newest

-- Tries by what is tried and from where: after a few, each has to wait longer than the one before.
create table sign_in_backoff (
  key     text        primary key,
  tries   integer     not null,
  last_at timestamptz not null,
  next_at timestamptz not null -- when the next try is allowed
);

-- migrate:down
