-- name: list_followed
-- The states that are followed.
select state from followed_state;

-- name: replace_followed
-- Replaces them: those that nobody follows any more go.
with unfollowed as (
  delete from followed_state where state <> all ($1::message_state[])
)
insert into followed_state (state) select unnest($1::message_state[]) on conflict do nothing;
