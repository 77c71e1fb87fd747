-- name: find_claim_by_link
-- The latest claim made by this message's link that has not been retracted.
select c.claim_id as answer_id, c.at
from claim c
where c.ballot_id = $1 and c.person_id = $2 and c.message_id = $3 and c.source = 'link' and c.retracts is null
  and not exists (select from claim undone where undone.retracts = c.claim_id)
order by c.claim_id desc
limit 1
