-- name: read_key
-- The key that scopes are signed with.
select key from scope_key;

-- name: find_transaction
-- The transaction that a scope is for, and two lists of units with everything below them, in the form that is signed: a
-- policy then compares numbers and need not read the tree of units.
select
  transaction_key(),
  array_to_string(array(select unit_id from unit where lineage && $1::bigint[] order by unit_id), ',') as people,
  array_to_string(array(select unit_id from unit where lineage && $2::bigint[] order by unit_id), ',') as contacts;

-- name: set_scope
-- Sets the scope until the transaction ends.
select set_config('muster.scope', $1, true);
