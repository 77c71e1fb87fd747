-- name: find_campaign
-- The name of a step's campaign.
select c.name from step s join campaign c using (campaign_id) where s.step_id = $1;
