-- name: begin_look
-- Since when to look, for the one worker that does; nobody where it is not time. Where nobody has ever looked, since one
-- such time ago: what came before there was a Muster is none of its.
insert into caught_up (source, through, looked_at) values ($1, $2::timestamptz - $3::interval, $2)
on conflict (source) do update set looked_at = $2
  where caught_up.looked_at <= $2::timestamptz - $3::interval
returning through;

-- name: have_through
-- Everything until then is ours; and a look that takes long is not begun by another one.
update caught_up set through = greatest(through, $2), looked_at = greatest(looked_at, $3) where source = $1;

-- name: senders
-- What members can text back to.
select address from sender where channel = 'sms';
