-- migrate:up

-- Who receives events already goes on receiving those of accepted messages; the next look at the sources says it exactly.
insert into followed_state (state)
select unnest(enum_range(null::message_state)) where exists (select from webhook_subscription where state <> 'gone');

-- migrate:down
