-- Upkeep of the ledger's tables. Acts as meterr_drain, which can only ask these functions to do it;
-- each takes the lock of the one writer for its transaction. The last one acts as meterr_app.

-- name: ensure_partitions
select meterr.ensure_ledger_partitions(%(first)s::date, %(last)s::date);

-- name: next_due_day
select day, tenants::text[] from meterr.next_due_day(%(ended_by)s::timestamptz, %(after)s);

-- name: roll_up
select meterr.roll_up(%(tenant)s::uuid, %(day)s, %(ended_by)s::timestamptz) as hours;

-- name: thin_marks
select meterr.thin_marks();

-- name: drop_day
select meterr.drop_ledger_day(%(before)s::date) as day;

-- name: oldest_late_hour
select min(hour) from meterr.rollup_due
 where tenant_id = %(tenant)s and hour < now() - interval '1 hour' - %(late)s::interval;
