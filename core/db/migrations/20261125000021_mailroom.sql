-- migrate:up

-- Mail as it came, beside its row in the inbox: out of the way of what claims a hundred rows at once.
create table inbox_mail (
  inbox_id bigint primary key references inbox on delete cascade,
  raw      bytea  not null
);

-- What a reader should know of a reply beside its words, such as that attachments were not kept.
alter table reply add column note text;

-- migrate:down
