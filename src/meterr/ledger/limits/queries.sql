-- name: exchange_lease
-- One round trip moves a lease: see the function. No row: the rule is not in force (any more).
select lease_id, granted, remaining
  from meterr.exchange_lease(
    %(tenant_id)s, %(limit_id)s, %(starts_at)s, %(ends_at)s, %(process)s, %(lease_id)s,
    %(known_granted)s, %(parted_with)s, %(owed)s, %(want)s, %(need)s, %(least_need)s);

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

-- name: line_of_key
-- Limits of a key are those of its whole line, and name its first key.
select coalesce(first_key_id, key_id)::text as first_key_id
  from meterr.api_key where key_id = %(key_id)s;

-- name: list_rules
select limit_id::text, measure, scope, subject, model, span, amount, hard, created_at, ended_at
  from meterr.limit_rule
 where ended_at is null or %(ended)s
 order by created_at, limit_id;

-- name: find_pools
-- With what the ledger has of a window that nobody drew from yet, or that may have missed some of it.
select w.limit_id::text,
       coalesce(p.taken, 0) + coalesce(missed.usd, 0) as taken,
       coalesce(p.spent, 0) + coalesce(missed.usd, 0) as spent
  from unnest(%(limits)s::uuid[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
       as w (limit_id, starts_at, ends_at)
  left join meterr.limit_pool p
         on p.tenant_id = %(tenant_id)s and p.limit_id = w.limit_id and p.starts_at = w.starts_at
  left join lateral (
       select greatest(0, meterr.budget_cost(%(tenant_id)s, w.limit_id, w.starts_at, w.ends_at)
                          - coalesce(p.spent, 0)) as usd
        where p.limit_id is null or p.stale) missed on true;

-- name: list_leases
select l.tenant_id::text, l.process::text, l.limit_id::text, r.measure, r.scope, r.subject, r.model,
       r.span, l.starts_at, l.granted - l.returned as granted, l.spent, p.seen_at
  from meterr.limit_lease l
  join meterr.limit_rule r using (tenant_id, limit_id)
  join meterr.limit_process p using (process)
 where l.tenant_id = %(tenant_id)s and l.granted > l.returned
 order by r.created_at, l.limit_id, l.starts_at, l.lease_id;

-- name: find_process
select extract(epoch from clock_timestamp() - seen_at)::float8 as silent_s, closed_at
  from meterr.limit_process
 where process = %(process)s;

-- name: close_process
-- As meterr_drain: the app may not.
select tenant_id::text, limit_id::text, starts_at, usd from meterr.close_process(%(process)s);

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
