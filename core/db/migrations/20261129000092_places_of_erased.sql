-- squawk-ignore-file require-timeout-settings, prefer-robust-stmts
-- migrate:up

-- Where messages to people who were erased went, as long as others have that address: whoever shares a mailbox may still
-- answer STOP, or press the button of a message that lies in it. It says nothing of the person but that they shared the
-- address; it goes with the last of those who have it when they are erased, and when links of its ballot are no good any more.
create table erased_place (
  message_id bigint primary key,
  channel    text   not null,
  address    text   not null
);
create index erased_place_address on erased_place (address);

-- migrate:down
