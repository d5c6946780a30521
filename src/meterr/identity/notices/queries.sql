-- Notices. The first two act in the transaction of whoever records the event; the rest as
-- meterr_identity.

-- name: tell_person
select meterr.notify_person(%(event)s::uuid, %(at)s, %(kind)s, %(tenant)s::uuid, %(user)s::uuid, %(about)s);

-- name: tell_keepers
select meterr.notify_keepers(
  %(event)s::uuid, %(at)s, %(kind)s, %(tenant)s::uuid, %(keys)s::uuid[], %(emergency)s::uuid);

-- name: notices_before
select event_id::text, at, kind, about_tenant::text as tenant_id, about, many, read_at
  from meterr.notice
 where user_id = %(user)s and (not %(unread)s or read_at is null)
   and (at, event_id) < (%(cursor_at)s::timestamptz, %(cursor_id)s::uuid)
 order by at desc, event_id desc
 limit %(rows)s;

-- name: mark_read
update meterr.notice set read_at = coalesce(read_at, now())
 where user_id = %(user)s and event_id = %(event)s;

-- name: take_turn
select pg_try_advisory_lock(hashtextextended('meterr.notices', 0));

-- name: end_turn
select pg_advisory_unlock(hashtextextended('meterr.notices', 0));

-- name: take_letters
-- Due again after a minute, then later and later: what nobody says was sent is sent once more.
with due as (
  select user_id, event_id from meterr.notice
   where mail_due_at <= now() order by mail_due_at limit %(rows)s
)
update meterr.notice n
   set mail_attempts = n.mail_attempts + 1,
       mail_due_at = now() + interval '1 minute' * (array[1, 5, 30, 120, 300, 600])
                     [least(n.mail_attempts + 1, 6)]
  from due, meterr.user_account u
 where n.user_id = due.user_id and n.event_id = due.event_id and u.user_id = n.user_id
returning n.user_id::text, n.event_id::text, n.at, n.kind, n.about, n.many,
          case when u.state = 'active' then u.shown_email end as email;

-- name: give_back
update meterr.notice n
   set mail_attempts = n.mail_attempts - 1, mail_due_at = now() + interval '1 s' * %(pause_s)s
  from unnest(%(users)s::uuid[], %(events)s::uuid[]) as untried (user_id, event_id)
 where n.user_id = untried.user_id and n.event_id = untried.event_id
   and n.mail_due_at is not null;

-- name: put_away
-- Sent, or never to be.
update meterr.notice set mail_due_at = null, mailed_at = case when %(sent)s then now() end
 where user_id = %(user)s and event_id = %(event)s;

-- name: put_away_late
update meterr.notice set mail_due_at = null
 where mail_due_at is not null and at < now() - interval '3 days';

-- name: prune
select meterr.prune_notices();
