-- name: create_notice
-- Adds a notice. If a notice of this name exists, so does its campaign, and the new campaign is refused next.
insert into notice (name, title, organisation, time_zone, closes_at) values ($1, $2, $3, $4, $5)
on conflict (name) do nothing;

-- name: find_notice
-- The notice of a campaign, by the campaign's name.
select notice_id from notice where name = $1;

-- name: delete_notice
-- Removes a notice whose campaign is gone.
delete from notice
where notice_id = $1
  and not exists (select from campaign c where c.subject_kind = 'notice' and c.subject_id = notice_id);
