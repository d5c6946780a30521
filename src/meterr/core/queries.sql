-- name: act_for_tenant
-- Transaction-local: ends with the transaction, whatever its outcome.
select set_config('meterr.tenant_id', %(tenant_id)s, true),
       set_config('meterr.source', %(source)s, true);

-- name: act_from
-- Who acts, for whatever records changes; transaction-local, too.
select set_config('meterr.source', %(source)s, true);

-- name: keep_snapshot
-- Before the first query of a transaction, or PostgreSQL refuses.
set transaction isolation level repeatable read;

-- name: server_time
select extract(epoch from clock_timestamp())::float8 as unix_s;

-- name: lock_migrations
-- Held until the transaction ends. The number is arbitrary and ours: 'meterr' in ASCII.
select pg_advisory_xact_lock(120287053378674);

-- name: become_owner
set local role meterr_owner;

-- name: has_migration_table
select to_regclass('meterr.schema_migration') is not null as present;

-- name: list_applied
select version, name, sha256
  from meterr.schema_migration
 order by version;

-- name: record_migration
insert into meterr.schema_migration (version, name, sha256)
values (%(version)s, %(name)s, %(sha256)s);
