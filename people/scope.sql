-- name: read_key
-- The key that scopes are signed with.
select key from scope_key;

-- name: find_transaction
-- The transaction that a scope is for, and the units of two lists with everything below them, as they are signed: a policy
-- then compares numbers and looks up no tree.
select
  transaction_key(),
  array_to_string(array(select unit_id from unit where lineage && $1::bigint[] order by unit_id), ',') as people,
  array_to_string(array(select unit_id from unit where lineage && $2::bigint[] order by unit_id), ',') as contacts;

-- name: set_scope
-- Sets the scope until the transaction ends.
select set_config('muster.scope', $1, true);
