-- migrate:up

-- Mails with attachments in which no words could be read: signed in a form of their own, encrypted, a picture. Other mails
-- with attachments are deleted once they are processed; these stay until staff have closed the reply.
create table unread_mail (
  inbound_id bigint primary key references inbound_mail on delete cascade
);

-- migrate:down
