-- Upkeep of the ledger's tables. Acts as meterr_drain, which can only ask these functions to do it;
-- each takes the lock of the one writer for its transaction.

-- name: ensure_partitions
select meterr.ensure_ledger_partitions(%(first)s::date, %(last)s::date);

-- name: roll_up
select meterr.roll_up(%(ended_by)s::timestamptz) as hours;

-- name: thin_marks
select meterr.thin_marks();

-- name: drop_day
select meterr.drop_ledger_day(%(before)s::date) as day;
