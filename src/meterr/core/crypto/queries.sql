-- As role meterr_app, but for what reads and holds a data key to seal or open: meterr_identity may do that
-- too, for the nil id. What has a tenant_id runs in that tenant's transaction.

-- Key-encryption keys -------------------------------------------------------------------------

-- name: note_key_encryption_key
insert into meterr.key_encryption_key (kek_id, live_kek_id, verifier)
values (%(kek_id)s, %(kek_id)s, %(verifier)s)
on conflict do nothing;

-- name: hold_key_encryption_key
-- Until the transaction ends nobody retires it.
select kek_id, verifier, retired_at is not null as retired
  from meterr.key_encryption_key
 where kek_id = %(kek_id)s
   for key share;

-- name: list_key_encryption_keys
select kek_id, verifier, retired_at is not null as retired
  from meterr.key_encryption_key
 order by first_seen_at, kek_id;

-- name: retire_key_encryption_key
-- PostgreSQL refuses it while a data key refers to it.
update meterr.key_encryption_key
   set live_kek_id = null, retired_at = now()
 where kek_id = %(kek_id)s and retired_at is null;

-- Data keys -----------------------------------------------------------------------------------

-- name: hold_current_data_key
-- Until the transaction ends nobody retires it, so what is sealed in it stays readable.
select version, kek_id, wrapped
  from meterr.data_key
 where tenant_id = %(tenant_id)s and wrapped is not null
 order by version desc
 limit 1
   for key share;

-- name: read_data_key
select version, kek_id, wrapped
  from meterr.data_key
 where tenant_id = %(tenant_id)s and version = %(version)s and wrapped is not null;

-- name: lock_data_keys
-- For whoever is about to add or wrap one: one at a time per tenant.
select pg_advisory_xact_lock(hashtextextended('meterr.data_key ' || %(tenant_id)s, 0));

-- name: next_version
select coalesce(max(version), 0) + 1 as version from meterr.data_key where tenant_id = %(tenant_id)s;

-- name: insert_data_key
insert into meterr.data_key (tenant_id, version, live_version, kek_id, wrapped, created_at)
values (%(tenant_id)s, %(version)s, %(version)s, %(kek_id)s, %(wrapped)s,
        coalesce(timestamptz 'epoch' + %(created_at_ms)s::bigint * interval '1 millisecond', now()));

-- name: data_keys_not_under
select version, kek_id, wrapped
  from meterr.data_key
 where tenant_id = %(tenant_id)s and kek_id <> %(kek_id)s
 order by version
   for update;

-- name: rewrap_data_key
update meterr.data_key
   set kek_id = %(kek_id)s, wrapped = %(wrapped)s
 where tenant_id = %(tenant_id)s and version = %(version)s and wrapped is not null;

-- name: retire_data_key
-- PostgreSQL refuses it while a sealed value refers to it.
update meterr.data_key
   set live_version = null, kek_id = null, wrapped = null, retired_at = now()
 where tenant_id = %(tenant_id)s and version = %(version)s and retired_at is null;

-- name: list_data_keys
select tenant_id::text, version, kek_id,
       floor(extract(epoch from created_at) * 1000)::bigint as created_at_ms,
       retired_at is not null as retired
  from meterr.list_data_keys();

-- Sealed columns, whichever they are: the names are quoted identifiers of the registry.
-- As whichever role may write the table ----------------------------------------------------------

-- name: count_by_version
select {version_column} as version, count(*) as rows
  from meterr.{table}
 where {tenant_column} = %(tenant_id)s and {version_column} is not null
 group by 1
 order by 1;

-- name: first_rows_not_of
-- Whoever holds a row is left to finish: the next pass finds it again, or finds it done.
select {key_texts}, {column}
  from meterr.{table}
 where {tenant_column} = %(tenant_id)s and {version_column} < %(version)s
 order by {key_columns}
 limit %(limit)s
   for update skip locked;

-- name: next_rows_not_of
select {key_texts}, {column}
  from meterr.{table}
 where {tenant_column} = %(tenant_id)s and {version_column} < %(version)s
   and ({key_columns}) > ({key_values})
 order by {key_columns}
 limit %(limit)s
   for update skip locked;

-- name: put_resealed
update meterr.{table}
   set {column} = %(sealed)s
 where {tenant_column} = %(tenant_id)s and ({key_columns}) = ({key_values});
