-- name: record_view
-- Records a page view. It allows one answer, and says nothing about the person.
select record_page_view($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: use_view
-- Uses up a page view, which allows one answer: if two presses come at the same moment, the second finds it used.
update page_view
set answered_at = $4, answer = $5
where nonce = $1 and message_id = $2 and action = $3 and answered_at is null and at > $4::timestamptz - $6::interval
returning stage, agent, signals, at, earlier;

-- name: find_used_answer
-- What was answered by a message's page view, if it was used.
select answer from page_view where nonce = $1 and message_id = $2 and answered_at is not null;

-- name: delete_page
-- Deletes a page of views too old to be answered, the oldest first. One view in which a browser opened a message's page
-- stays, because reports count these until the message moves into the archive.
with old as materialized (
  select page_view_id, message_id, action, agent from page_view where not kept and at < $1 order by at limit $2
), opened as (
  select distinct on (o.message_id) o.page_view_id from old o
  where o.action = 'confirm' and o.agent = 'browser'
    and not exists (select from page_view v where v.message_id = o.message_id and v.kept)
  order by o.message_id, o.page_view_id
), stay as (
  update page_view set kept = true where page_view_id in (select page_view_id from opened)
), dropped as (
  delete from page_view where page_view_id in (select page_view_id from old except select page_view_id from opened)
)
select count(*) from old;

-- name: list_opened
-- Messages whose page a person's browser has opened.
select distinct message_id from page_view
where message_id = any ($1::bigint[]) and action = 'confirm' and agent = 'browser';

-- name: delete_views
-- Deletes page views of messages whose pages no longer exist.
delete from page_view where message_id = any ($1::bigint[]);
