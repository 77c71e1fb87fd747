-- name: begin_look
-- Returns the time from which to look, to the one worker that claims this look; no row if none is due. The first look
-- ever begins one interval ago: earlier texts were not for Muster.
insert into backfill_position (source, through, looked_at) values ($1, $2::timestamptz - $3::interval, $2)
on conflict (source) do update set looked_at = $2
  where backfill_position.looked_at <= $2::timestamptz - $3::interval
returning through;

-- name: store_position
-- Records that everything up to a time has been stored; updating looked_at keeps others from starting a look while a
-- long one runs.
update backfill_position set through = greatest(through, $2), looked_at = greatest(looked_at, $3) where source = $1;

-- name: list_senders
-- The senders that members can text back to.
select address from sender where channel = 'sms';
