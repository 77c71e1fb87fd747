-- name: find_language
-- The language of whom the phone was last written to for; without a message, of all who have it, where they share one.
select min(p.language)
from person p
where p.person_id = $1
  or $1::bigint is null
    and p.person_id in (select a.person_id from address a where a.channel = 'sms' and a.address = $2)
having count(distinct p.language) = 1;
