-- name: exchange_lease
-- One round trip moves a lease: see the function. No row: the rule is not in force (any more).
select lease_id, granted, remaining
  from meterr.exchange_lease(
    %(limit_id)s, %(starts_at)s, %(process)s, %(lease_id)s, %(known_granted)s, %(parted_with)s,
    %(owed)s, %(want)s, %(need)s, %(least_need)s);

-- name: renew_leases
select lease_id from meterr.renew_leases(%(process)s) as lease_id;

-- name: prune_limits
select meterr.prune_limits() as windows;

-- name: upsert_limit
insert into meterr.limit_rule (tenant_id, limit_id, measure, scope, subject, model, span, amount, hard)
values (%(tenant_id)s, gen_random_uuid(), %(measure)s, %(holder)s, %(subject)s, %(model)s,
        %(span)s, %(amount)s, %(hard)s)
on conflict (tenant_id, measure, scope, subject, model, span) where ended_at is null
do update set amount = excluded.amount, hard = excluded.hard
returning limit_id::text, measure, scope, subject, model, span, amount, hard, created_at, ended_at;

-- name: has_key
select exists (select from meterr.api_key where key_id = %(key_id)s) as present;

-- name: list_rules
select limit_id::text, measure, scope, subject, model, span, amount, hard, created_at, ended_at
  from meterr.limit_rule
 where ended_at is null or %(ended)s
 order by created_at, limit_id;

-- name: find_pools
select p.limit_id::text, p.taken, p.spent
  from meterr.limit_pool p
  join unnest(%(limits)s::uuid[], %(starts)s::timestamptz[]) as w (limit_id, starts_at)
 using (limit_id, starts_at);

-- name: time_zone_of
select time_zone from meterr.tenant where tenant_id = %(tenant_id)s;

-- name: end_limit
update meterr.limit_rule set ended_at = now()
 where limit_id = %(limit_id)s and ended_at is null
returning limit_id;

-- name: list_events
select e.limit_id::text, e.starts_at, e.percent, e.at, e.spent, e.amount,
       r.measure, r.scope, r.subject, r.model, r.span, r.hard
  from meterr.limit_event e
  join meterr.limit_rule r using (tenant_id, limit_id)
 where e.at >= %(since)s
   and (e.at, e.limit_id, e.starts_at, e.percent)
       < (%(at)s, %(limit_id)s::uuid, %(starts_at)s, %(percent)s)
 order by e.at desc, e.limit_id desc, e.starts_at desc, e.percent desc
 limit %(rows)s;
