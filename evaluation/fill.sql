-- What the questions are asked of: two tenants' usage, and an order book with rows of both. All
-- values follow by rule from a row's number, so that every question has one right answer.
-- Whatever belongs to the other tenant says "rival" in its texts. Runs as superuser.

insert into meterr.tenant (tenant_id, name) values
  ('0199aaaa-0000-7000-8000-00000000000a', 'asking'),
  ('0199bbbb-0000-7000-8000-00000000000b', 'rival');

insert into meterr.api_key (tenant_id, key_id, name, environment, mac, pepper_id, last4, scopes,
                            models, expires_at, state, created_at, revoked_at, owner)
select '0199aaaa-0000-7000-8000-00000000000a', md5('key' || n)::uuid,
       (array['search-prod', 'search-test', 'support-bot', 'research', 'nightly-batch', 'old-mobile'])[n],
       case when n = 2 then 'test' else 'live' end, sha256(('a' || n)::bytea), 'p1', lpad(n::text, 4, 'k'),
       case when n % 2 = 0 then array['chat', 'embeddings'] else array['chat'] end,
       case when n = 4 then array['claude-*'] end,
       case when n in (3, 5) then timestamptz '2026-12-10 00:00+00' + n * interval '1 day' end,
       case when n = 6 then 'revoked' else 'active' end,
       timestamptz '2026-01-05 00:00+00' + n * interval '40 days',
       case when n = 6 then timestamptz '2026-10-01 00:00+00' end,
       (array['ada', 'ada', 'grace', 'alan', 'grace', ''])[n]
  from generate_series(1, 6) n;
insert into meterr.api_key (tenant_id, key_id, name, environment, mac, pepper_id, last4, scopes, owner)
select '0199bbbb-0000-7000-8000-00000000000b', md5('rival' || n)::uuid, 'rival-key-' || n, 'live',
       sha256(('b' || n)::bytea), 'p1', 'riva', array['chat'], 'rival-owner'
  from generate_series(1, 3) n;
insert into meterr.key_use (tenant_id, key_id, last_used_at)
select '0199aaaa-0000-7000-8000-00000000000a', md5('key' || n)::uuid,
       timestamptz '2026-11-23 09:00+00' - n * interval '11 hours'
  from generate_series(1, 5) n;

-- 1,500 calls from 15 August to 23 November; the other tenant's run beside them and cost much more.
insert into meterr.ledger_entry
  (tenant_id, id, at, key_id, surface, upstream, provider, model, state, stream, status, error,
   usage_known, input, cache_read, output, reasoning, cost_usd, first_byte_ms, duration_ms)
select '0199aaaa-0000-7000-8000-00000000000a', md5('call' || n)::uuid,
       timestamptz '2026-08-15 00:00+00' + n * interval '96 minutes', md5('key' || 1 + n % 5)::uuid,
       case when m = 'anthropic' then 'anthropic.messages' else 'openai.chat' end, m, m,
       (array['gpt-5', 'gpt-5-mini', 'claude-sonnet-4-5', 'claude-haiku-4-5', 'kimi-k2.6'])[1 + n * 7 % 5],
       case when n % 37 = 0 then 'refused' when n % 41 = 0 then 'interrupted' else 'settled' end,
       n % 3 = 0, case when n % 37 = 0 then 402 when n % 23 = 0 then 503 else 200 end,
       case when n % 37 <> 0 and n % 23 = 0 then 'upstream-timeout' else '' end, n % 37 <> 0,
       case when n % 37 <> 0 then 100 + n * 37 % 4000 else 0 end,
       case when n % 37 <> 0 then n * 11 % 900 else 0 end,
       case when n % 37 <> 0 then 20 + n * 53 % 900 else 0 end,
       case when n % 37 <> 0 then n % 7 * 10 else 0 end,
       case when n % 37 <> 0 then (100 + n * 37 % 4000) * 0.0000025 + (20 + n * 53 % 900) * 0.00001 end,
       90 + n * 13 % 700, 200 + n * 71 % 5000
  from generate_series(1, 1500) n,
       lateral (select (array['openai', 'openai', 'anthropic', 'anthropic', 'moonshot'])[1 + n * 7 % 5]) p (m);
insert into meterr.ledger_entry
  (tenant_id, id, at, key_id, surface, upstream, provider, model, state, status, usage_known, input,
   output, cost_usd, duration_ms)
select '0199bbbb-0000-7000-8000-00000000000b', md5('rivalcall' || n)::uuid,
       timestamptz '2026-10-15 00:00+00' + n * interval '3 hours', md5('rival' || 1 + n % 3)::uuid,
       'openai.chat', 'rival-upstream', 'rival-provider', 'rival-model', 'settled', 200, true, 5000,
       5000, 1000 + n, 77777
  from generate_series(1, 300) n;

insert into meterr.limit_rule (tenant_id, limit_id, measure, scope, subject, span, amount, hard, created_at)
values ('0199aaaa-0000-7000-8000-00000000000a', md5('limit1')::uuid, 'usd', 'tenant', '', 'month', 50, true, '2026-09-01'),
       ('0199aaaa-0000-7000-8000-00000000000a', md5('limit2')::uuid, 'usd', 'owner', 'ada', 'day', 1, true, '2026-09-02'),
       ('0199aaaa-0000-7000-8000-00000000000a', md5('limit3')::uuid, 'requests', 'owner', 'grace', 'minute', 60, true, '2026-09-03'),
       ('0199aaaa-0000-7000-8000-00000000000a', md5('limit4')::uuid, 'usd', 'owner', 'alan', 'month', 5, false, '2026-09-04'),
       ('0199bbbb-0000-7000-8000-00000000000b', md5('rivallimit')::uuid, 'usd', 'owner', 'rival-owner', 'month', 99999, true, '2026-09-04');
insert into meterr.limit_pool (tenant_id, limit_id, starts_at, spent)
values ('0199aaaa-0000-7000-8000-00000000000a', md5('limit1')::uuid, '2026-10-01', 4.5),
       ('0199aaaa-0000-7000-8000-00000000000a', md5('limit1')::uuid, '2026-11-01', 3.25),
       ('0199aaaa-0000-7000-8000-00000000000a', md5('limit4')::uuid, '2026-11-01', 4.75),
       ('0199bbbb-0000-7000-8000-00000000000b', md5('rivallimit')::uuid, '2026-11-01', 88888);

create schema shop;
create table shop.customers (
  tenant_id uuid not null, customer_id integer not null, name text not null, country text not null,
  city text not null, segment text, signed_up date not null, is_active boolean not null,
  primary key (tenant_id, customer_id));
create table shop.products (
  tenant_id uuid not null, product_id integer not null, name text not null, category text not null,
  price numeric(10, 2) not null, unit_cost numeric(10, 2) not null, is_discontinued boolean not null,
  primary key (tenant_id, product_id));
create table shop.orders (
  tenant_id uuid not null, order_id integer not null, customer_id integer not null,
  ordered_at timestamptz not null, shipped_at timestamptz, status text not null, channel text not null,
  total numeric(12, 2) not null, coupon text, note text, primary key (tenant_id, order_id));
create table shop.order_items (
  tenant_id uuid not null, order_id integer not null, line_no integer not null,
  product_id integer not null, quantity integer not null, unit_price numeric(10, 2) not null,
  primary key (tenant_id, order_id, line_no));

insert into shop.customers
select t.id, n, t.mark || 'Customer ' || n, t.mark || (array['DE', 'FR', 'US', 'JP'])[1 + n % 4],
       t.mark || (array['Berlin', 'Paris', 'Austin', 'Osaka'])[1 + n % 4],
       (array['consumer', 'business', null])[1 + n % 3], date '2024-01-10' + n * 11, n % 6 <> 0
  from generate_series(1, 80) n,
       (values ('0199aaaa-0000-7000-8000-00000000000a'::uuid, ''),
               ('0199bbbb-0000-7000-8000-00000000000b', 'rival ')) t (id, mark);
insert into shop.products
select t.id, n, t.mark || 'Product ' || n, t.mark || (array['books', 'games', 'garden', 'tools'])[1 + n % 4],
       5 + n * 3.35, 2 + n * 1.5, n % 9 = 0
  from generate_series(1, 40) n,
       (values ('0199aaaa-0000-7000-8000-00000000000a'::uuid, ''),
               ('0199bbbb-0000-7000-8000-00000000000b', 'rival ')) t (id, mark);
insert into shop.orders
select t.id, n, 1 + n * 13 % 80, timestamptz '2025-01-01 00:00+00' + n * interval '27 hours',
       case when n % 5 > 0 then timestamptz '2025-01-01 00:00+00' + n * interval '27 hours'
            + (n % 5) * interval '1 day' end,
       (array['paid', 'shipped', 'delivered', 'returned', 'cancelled'])[1 + n % 5],
       (array['web', 'app', 'store'])[1 + n % 3], t.factor * (20 + n * 17 % 400),
       case when n % 11 = 0 then 'SPRING' end,
       case when n % 6 = 0 then t.mark || 'please ring; twice' end
  from generate_series(1, 600) n,
       (values ('0199aaaa-0000-7000-8000-00000000000a'::uuid, '', 1),
               ('0199bbbb-0000-7000-8000-00000000000b', 'rival ', 1000)) t (id, mark, factor);
insert into shop.order_items
select t.id, o, l, 1 + (o * 7 + l * 11) % 40, 1 + (o + l) % 5, 5 + (o + l) % 60
  from generate_series(1, 600) o, generate_series(1, 3) l,
       (values ('0199aaaa-0000-7000-8000-00000000000a'::uuid), ('0199bbbb-0000-7000-8000-00000000000b')) t (id)
 where l <= 1 + o % 3;

do $$
declare
  relation text;
begin
  foreach relation in array array['customers', 'products', 'orders', 'order_items'] loop
    execute format('alter table shop.%I enable row level security', relation);
    execute format('alter table shop.%I force row level security', relation);
    execute format('create policy tenant_reads on shop.%I for select to meterr_reader '
                   'using (tenant_id = (select meterr.session_tenant()))', relation);
    execute format('grant select on shop.%I to meterr_reader', relation);
  end loop;
end
$$;
grant usage on schema shop to meterr_reader;

-- The login that asks. Its sealed password is another matter, so the key to it is not checked here.
set session_replication_role = replica;
insert into meterr.query_role (tenant_id, role_name, password)
select '0199aaaa-0000-7000-8000-00000000000a', 'mq_' || md5(current_database()),
       '\x0100000001'::bytea || decode(repeat('00', 28), 'hex');
reset session_replication_role;
do $$
begin
  execute format('create role %I login password %L in role meterr_reader',
                 'mq_' || md5(current_database()), 'evaluation');
end
$$;
