-- name: lock_account
-- Locks an account: what is proven, set up or reset at the same moment takes turns.
select staff_id from staff where staff_id = $1 for update;
