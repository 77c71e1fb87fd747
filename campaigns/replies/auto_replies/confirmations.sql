-- name: find_language
-- The language of the recipient of the last message to the phone; without a message, the language of all who have the
-- phone, if they share one.
select min(p.language)
from person p
where p.person_id = $1
  or $1::bigint is null
    and p.person_id in (select a.person_id from address a where a.channel = 'sms' and a.address = $2)
having count(distinct p.language) = 1;
