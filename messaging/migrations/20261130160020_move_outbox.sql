-- migrate:up transaction:false
call move_outbox();

-- migrate:down
