-- As role meterr_app, in the transaction of the nil tenant.

-- name: put_credential
insert into meterr.provider_credential (tenant_id, upstream, secret, last4, created_by)
values (%(tenant_id)s, %(upstream)s, %(secret)s, %(last4)s, %(created_by)s)
on conflict (tenant_id, upstream) do update
   set secret = excluded.secret, last4 = excluded.last4, created_at = now(),
       created_by = excluded.created_by
returning upstream, last4, floor(extract(epoch from created_at) * 1000)::bigint as created_at_ms,
          created_by, version;

-- name: list_credentials
select upstream, last4, floor(extract(epoch from created_at) * 1000)::bigint as created_at_ms,
       created_by, version
  from meterr.provider_credential
 where tenant_id = %(tenant_id)s and secret is not null
 order by upstream;

-- name: read_sealed
-- Until the transaction ends no rotation seals it anew, so its data key cannot retire before it opens.
select secret
  from meterr.provider_credential
 where tenant_id = %(tenant_id)s and upstream = %(upstream)s and secret is not null
   for key share;

-- name: remove_credential
update meterr.provider_credential
   set secret = null, last4 = ''
 where tenant_id = %(tenant_id)s and upstream = %(upstream)s and secret is not null;
