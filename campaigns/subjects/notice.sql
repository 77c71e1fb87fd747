-- name: create_notice
-- One of the same name belongs to a campaign of the same name, whose name is refused next.
insert into notice (name, title, organisation, time_zone, closes_at) values ($1, $2, $3, $4, $5)
on conflict (name) do nothing;

-- name: find_notice
-- By the name of its campaign.
select notice_id from notice where name = $1
