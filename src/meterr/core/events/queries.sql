-- Security events. Written by whoever has a transaction, read by the tenant that they are about.

-- name: record
select event_id::text, event_at
  from meterr.record_event(
    %(tenant)s::uuid, %(kind)s, %(severity)s, %(outcome)s, %(actor_kind)s, %(actor_id)s,
    %(target_kind)s, %(target_id)s, %(network)s, %(detail)s::jsonb);

-- name: events_before
-- Newest first. The cursor is the last row's own (at, id), exclusive; without kinds, all of them.
select id::text as event_id, at, nullif(tenant_id, %(nobody)s::uuid)::text as tenant_id, kind, severity,
       outcome, actor_kind, actor_id, target_kind, target_id, network, detail
  from meterr.security_event
 where tenant_id = %(tenant)s and at >= %(since)s and at < %(until)s
   and at <= %(cursor_at)s::timestamptz
   and (at, id) < (%(cursor_at)s::timestamptz, %(cursor_id)s::uuid)
   and (%(kinds)s::text[] is null or kind = any (%(kinds)s::text[]))
 order by at desc, id desc
 limit %(rows)s;

-- name: events_since
-- Oldest first, but for those that were shown.
select id::text as event_id, at, nullif(tenant_id, %(nobody)s::uuid)::text as tenant_id, kind, severity,
       outcome, actor_kind, actor_id, target_kind, target_id, network, detail
  from meterr.security_event
 where tenant_id = %(tenant)s and at >= %(since)s
   and (%(kinds)s::text[] is null or kind = any (%(kinds)s::text[]))
   and id <> all (%(shown)s::uuid[])
 order by at, id
 limit %(rows)s;

-- name: ensure_days
-- As meterr_drain, like the next one.
select meterr.ensure_event_partitions(%(first)s::date, %(last)s::date);

-- name: drop_day
select meterr.drop_event_day(%(before)s::date);
