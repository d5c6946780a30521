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

-- name: gather
-- What is more than a person gets alone in an hour waits for one letter, at most an hour. While one waits,
-- what happens after the first that it is about joins it. What is gathered is mailed at one time, so times
-- are letters; a letter that was tried may have arrived.
with due as (
  select n.user_id, n.event_id, n.at,
         row_number() over (partition by n.user_id order by n.mail_due_at, n.event_id) as place
    from meterr.notice n
   where n.mail_due_at <= now() and not n.gathered
), person as (
  select p.user_id, waiting.since, waiting.due_at,
         (select count(distinct m.mailed_at) from meterr.notice m
           where m.user_id = p.user_id and m.mailed_at > now() - interval '1 hour')
         + (select count(*) from meterr.notice t
             where t.user_id = p.user_id and not t.gathered and t.mail_due_at > now()
               and t.mail_attempts > 0) as letters
    from (select distinct user_id from due) p
   cross join lateral (
     select min(w.at) as since, min(w.mail_due_at) as due_at from meterr.notice w
      where w.user_id = p.user_id and w.gathered and w.mail_due_at is not null) waiting
), beyond as (
  select d.user_id, d.event_id,
         coalesce(p.due_at, min(d.at) over (partition by d.user_id) + interval '1 hour') as due_at
    from due d join person p using (user_id)
   where d.at > p.since or d.place > %(alone)s - p.letters
)
update meterr.notice n set gathered = true, mail_due_at = b.due_at
  from beyond b
 where n.user_id = b.user_id and n.event_id = b.event_id;

-- name: take_letters
-- Everybody's first one before anybody's second. Due again after a minute, then later and later: what
-- nobody says was sent is sent once more. Of a letter about many its newest, and one of each kind.
with due as (
  select user_id, case when not gathered then event_id end as alone,
         min(mail_due_at) as due_at, max(mail_attempts) + 1 as tries
    from meterr.notice
   where mail_due_at <= now()
   group by 1, 2
), turn as (
  select *, row_number() over (partition by user_id order by due_at, alone) as turn from due
), taken as (
  select *, row_number() over (order by turn, due_at, user_id) as number from turn
   order by number limit %(letters)s
), tried as (
  update meterr.notice n
     set mail_attempts = t.tries,
         mail_due_at = now() + interval '1 minute' * (array[1, 5, 30, 120, 300, 600])
                       [least(t.tries, 6)]
    from taken t
   where n.user_id = t.user_id and n.mail_due_at <= now()
     and case when t.alone is null then n.gathered else n.event_id = t.alone end
  returning t.number, n.user_id, t.alone, n.event_id, n.at, n.kind, n.about, n.many
), ranked as (
  select t.*, count(*) over (partition by t.number, t.kind) as of_kind,
         row_number() over (partition by t.number order by t.at desc, t.event_id desc) as place,
         row_number() over (partition by t.number, t.kind order by t.at desc, t.event_id desc)
           as place_of_kind
    from tried t
)
select r.user_id::text, r.alone::text as event_id, r.at, r.kind, r.about, r.many, r.of_kind,
       case when u.state = 'active' then u.shown_email end as email
  from ranked r join meterr.user_account u using (user_id)
 where r.place <= %(lines)s or r.place_of_kind = 1
 order by r.number, r.place;

-- name: give_back
update meterr.notice n
   set mail_attempts = n.mail_attempts - 1, mail_due_at = now() + interval '1 s' * %(pause_s)s
  from unnest(%(users)s::uuid[], %(events)s::uuid[]) as untried (user_id, event_id)
 where n.user_id = untried.user_id and n.mail_due_at is not null
   and case when untried.event_id is null then n.gathered else n.event_id = untried.event_id end;

-- name: put_away
-- Sent, or never to be. Without an event: all that one letter told of.
update meterr.notice set mail_due_at = null, mailed_at = case when %(sent)s then now() end
 where user_id = %(user)s and mail_due_at is not null
   and case when %(event)s::uuid is null then gathered else event_id = %(event)s::uuid end;

-- name: put_away_late
update meterr.notice set mail_due_at = null
 where mail_due_at is not null and at < now() - interval '3 days';

-- name: prune
select meterr.prune_notices();
