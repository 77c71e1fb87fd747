-- migrate:up

-- What keeps messages from somebody who got one: whether they, or somebody who shares the address, have opted out; whether
-- they did so on one of their pages, whichever message that was of; whether of everything; and whether another channel is open.
-- Inlined into the queries that read it.
create function stops_of_recipient(its_channel text, its_address text, who bigint)
returns table (stopped boolean, stopped_by_link boolean, stopped_everywhere boolean, reached_otherwise boolean)
language sql stable parallel safe as $$
  select
    exists (
      select from suppression x
      where x.reason = 'opted_out' and x.purpose = 'all'
        and (x.channel, x.address) in ((its_channel, its_address), ('person', who::text))
    ),
    exists (
      select from suppression x
      join suppression_event e using (event_id)
      where x.reason = 'opted_out' and x.purpose = 'all' and e.source in ('link', 'unsubscribe')
        and (x.channel, x.address) in ((its_channel, its_address), ('person', who::text))
        and person_of_message(e.message_id) = who
    ),
    exists (
      select from suppression x
      where x.reason = 'opted_out' and x.purpose = 'all' and (x.channel, x.address) = ('person', who::text)
    ),
    exists (
      select from address a
      where a.person_id = who and a.channel <> its_channel
        and not exists (
          select from suppression x
          where x.purpose = 'all' and (x.channel, x.address) in ((a.channel, a.address), ('person', who::text))
        )
    )
$$;

-- All that a member's page needs, as link_recipient(bytea, text[], timestamptz, interval) finds it, which stays for web servers
-- of the version before: they know no links without a row. A link is given by the digest of its token, or, if it is an email's,
-- by the message and the action that its token says; a message 0, which there is none of, stands for a token that we did not
-- make: that is looked up, too, so that it takes as long as a link that is revoked, expired, or of another page.
-- Once its subject was over longer ago than links work, an email opens one page still: the one to stop messages, for as long as
-- the message is kept (archived_recipient). That page is also the only one once the person was erased, and opens where the
-- address is kept because others share it. PostgreSQL inlines this function into the query that reads it.
create function link_recipient(
  link_digest bytea, of_message bigint, of_action text, opened_by text[], now timestamptz, lifetime interval
)
returns table (
  message_id bigint, person_id bigint, channel text, address text, sent_at timestamptz, first_name text, language text,
  time_zone text, appointment_at text, place text, subject jsonb, status text, said_here boolean, stopped boolean,
  stopped_by_link boolean, stopped_everywhere boolean, reached_otherwise boolean, only_unsubscribes boolean
)
language sql stable parallel safe as $$
  select
    m.message_id, m.person_id, m.channel, m.address, m.sent_at,
    p.first_name, p.language,
    -- where the message speaks of it: as it is now, for a date may have moved since
    m.time_zone, case when m.variables ? 'appointment_at' then p.attributes ->> 'appointment_at' end,
    case when m.variables ? 'place' then p.attributes ->> 'place' end,
    to_jsonb(subject), s.status, coalesce(s.said_at = m.message_id, false),
    stops.stopped, stops.stopped_by_link, stops.stopped_everywhere, stops.reached_otherwise,
    coalesce(over_at(subject.closes_at, c.finished_at) <= link_recipient.now - lifetime, false)
  from message m
  join campaign c using (campaign_id)
  join subject using (subject_kind, subject_id)
  join person p using (person_id)
  cross join lateral stops_of_recipient(m.channel, m.address, m.person_id) stops
  left join lateral (
    select s.status, s.said_at from subject_status s
    where s.subject_kind = c.subject_kind and s.subject_id = c.subject_id and s.person_id = m.person_id
    limit 1 -- there is one; but so it is looked for by the whole key, and not in every ballot there ever was
  ) s on true
  where m.message_id = ( -- in a subquery, so that it is worked out once
      select case
        when of_message is null then (
          select l.message_id from link l
          where l.digest = link_digest and l.revoked_at is null and l.action = any (opened_by)
        )
        when of_action = any (opened_by) and not exists (
          select from link l where l.message_id = of_message and l.action = of_action and l.revoked_at is not null
        ) then of_message
        else 0
      end
    )
    and (
      coalesce(over_at(subject.closes_at, c.finished_at) > link_recipient.now - lifetime, true)
      or of_message is not null and opened_by = '{unsubscribe}'
    )
    and (
      m.address is distinct from 'erased-' || m.message_id
      or opened_by = '{unsubscribe}' and exists (select from erased_place e where e.message_id = m.message_id)
    )
$$;

-- The same for the unsubscribe link of an email that has moved into the archive, until its year is deleted or the person erased.
-- Apart, so that no page that opens every day reads the archive.
create function archived_recipient(of_message bigint, of_action text)
returns table (
  message_id bigint, person_id bigint, channel text, address text, sent_at timestamptz, first_name text, language text,
  time_zone text, appointment_at text, place text, subject jsonb, status text, said_here boolean, stopped boolean,
  stopped_by_link boolean, stopped_everywhere boolean, reached_otherwise boolean, only_unsubscribes boolean
)
language sql stable parallel safe as $$
  select
    m.message_id, m.person_id, m.channel, m.address, m.sent_at, p.first_name, p.language, subject.time_zone, null, null,
    to_jsonb(subject), null, false, stops.stopped, stops.stopped_by_link, stops.stopped_everywhere, stops.reached_otherwise, true
  from message_archive m
  join campaign c using (campaign_id)
  join subject using (subject_kind, subject_id)
  join person p using (person_id)
  cross join lateral stops_of_recipient(m.channel, m.address, m.person_id) stops
  where m.message_id = of_message and of_action = 'unsubscribe' and m.address is distinct from 'erased-' || m.message_id
    and not exists (
      select from link l where l.message_id = of_message and l.action = of_action and l.revoked_at is not null
    )
$$;

grant execute on function
  stops_of_recipient, link_recipient(bytea, bigint, text, text[], timestamptz, interval), archived_recipient
to public;

-- migrate:down

-- squawk-ignore ban-drop-function
drop function archived_recipient;
-- squawk-ignore ban-drop-function
drop function link_recipient(bytea, bigint, text, text[], timestamptz, interval);
-- squawk-ignore ban-drop-function
drop function stops_of_recipient;
