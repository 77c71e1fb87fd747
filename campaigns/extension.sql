-- name: list_campaigns
-- Campaigns about a subject.
select campaign_id from campaign where subject_kind = $1 and subject_id = $2;

-- name: list_open_steps
-- Steps of some campaigns that still send, or will.
select step_id, content from step
where campaign_id = any ($1::bigint[]) and state not in ('finished', 'cancelled')
order by campaign_id, position;
