-- migrate:up

-- What else a phone or mailbox has said: what staff see beside a reply, whether a STOP was said later, and whether a START
-- was. Writes wait while it is built, and replies are few beside messages; nothing is sent while `muster migrate` runs.
-- squawk-ignore require-concurrent-index-creation
create index reply_address on reply (channel, address, reply_id);

-- migrate:down
