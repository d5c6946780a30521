-- The demo's tables as a question sees them: the usage views, and an order book.
-- Values are made by rule, so that every question has an answer and none depends on chance.

create table models (
    model text primary key, provider text not null, family text, input_usd_per_mtok numeric(12, 6),
    output_usd_per_mtok numeric(12, 6), context_tokens integer, released date, capabilities text[]);
insert into models values
    ('gpt-4o', 'openai', 'gpt-4', 2.5, 10, 128000, '2024-05-13', '{vision,tools}'),
    ('gpt-4o-mini', 'openai', 'gpt-4', 0.15, 0.6, 128000, '2024-07-18', '{vision,tools}'),
    ('o3', 'openai', 'o', 2, 8, 200000, '2025-04-16', '{tools,reasoning}'),
    ('claude-sonnet-4-5', 'anthropic', 'claude-4', 3, 15, 200000, '2025-09-29', '{vision,tools}'),
    ('claude-haiku-4-5', 'anthropic', 'claude-4', 1, 5, 200000, '2025-10-15', '{tools}'),
    ('kimi-k2', 'moonshot', 'kimi', 0.6, 2.5, 262144, null, '{}');

create table keys (
    key_id uuid primary key, name text not null, owner text, team text, created_at timestamptz,
    expires_at timestamptz, revoked_at timestamptz, last_used_at timestamptz, scopes text[]);
insert into keys
select md5('key' || n)::uuid, 'key-' || n, (array['ada', 'grace', 'alan', null])[1 + n % 4],
       (array['search', 'support', 'research'])[1 + n % 3],
       timestamptz '2026-01-01 00:00+00' + n * interval '9 days',
       case when n % 3 = 0 then timestamptz '2027-01-01 00:00+00' end,
       case when n % 7 = 0 then timestamptz '2026-09-01 00:00+00' end,
       timestamptz '2026-11-01 00:00+00' - n * interval '5 hours',
       case when n % 2 = 0 then array['chat', 'embeddings'] else array['chat'] end
  from generate_series(1, 12) n;

create table calls (
    call_id uuid primary key, at timestamptz not null, key_id uuid, key_name text, owner text,
    provider text, model text, surface text, status text, error_code text, is_stream boolean,
    input_tokens bigint, cached_tokens bigint, output_tokens bigint, cost_usd numeric(38, 18),
    latency_ms integer, first_token_ms integer, tags text[], metadata jsonb);
insert into calls
select md5('call' || n)::uuid, timestamptz '2026-08-01 00:00+00' + n * interval '97 minutes',
       k.key_id, k.name, k.owner, m.provider, m.model,
       case when m.provider = 'anthropic' then 'anthropic' else 'openai' end,
       case when n % 23 = 0 then 'failed' when n % 41 = 0 then 'interrupted' else 'settled' end,
       case when n % 23 = 0 then 'upstream-timeout' end, n % 3 = 0,
       100 + n * 37 % 4000, n * 11 % 90, 20 + n * 53 % 900,
       (100 + n * 37 % 4000) * m.input_usd_per_mtok / 1000000, 200 + n * 71 % 5000,
       case when n % 3 = 0 then 90 + n * 13 % 700 end,
       case when n % 5 = 0 then array['batch', 'night'] when n % 5 = 1 then array['ui'] end,
       jsonb_build_object('feature', (array['chat', 'search', 'mail'])[1 + n % 3],
                          'experiment', jsonb_build_object('arm', chr(65 + n % 2), 'run', n % 9),
                          'scores', jsonb_build_array(n % 5, n % 7))
  from generate_series(1, 1500) n
  join (select keys.*, row_number() over (order by name) as nr from keys) k on k.nr = 1 + n % 12
  join (select models.*, row_number() over (order by model) as nr from models) m
    on m.nr = 1 + n * 7 % 6;

create table costs_daily as
select (at at time zone 'UTC')::date as day, key_id, key_name, owner, provider, model,
       count(*) as calls, sum(input_tokens)::bigint as input_tokens,
       sum(output_tokens)::bigint as output_tokens, sum(cost_usd) as cost_usd
  from calls group by 1, 2, 3, 4, 5, 6;

create table budgets (
    budget_id integer primary key, key_id uuid, period text, limit_usd numeric(20, 6),
    spent_usd numeric(20, 6), valid_during daterange);
insert into budgets
select n, md5('key' || n)::uuid, (array['day', 'week', 'month'])[1 + n % 3], n * 10, n * n * 0.9,
       daterange('2026-01-01'::date + n, '2026-12-31') from generate_series(1, 8) n;

create table customers (
    customer_id integer primary key, name text, email text, country text, city text, segment text,
    signed_up date, birth_year integer, is_active boolean, profile jsonb, referred_by integer);
insert into customers
select n, 'Customer ' || n, 'c' || n || '@example.org',
       (array['DE', 'FR', 'US', 'JP', 'BR'])[1 + n % 5],
       (array['Berlin', 'Paris', 'Austin', 'Osaka', 'Recife'])[1 + n % 5],
       (array['consumer', 'business', null])[1 + n % 3], date '2023-01-10' + n * 11,
       1950 + n % 50, n % 6 <> 0,
       jsonb_build_object('newsletter', n % 2 = 0, 'languages', jsonb_build_array('en', 'de'),
                          'address', jsonb_build_object('zip', lpad(n::text, 5, '0'))),
       case when n > 10 then n / 3 end
  from generate_series(1, 80) n;

create table products (
    product_id integer primary key, sku text, name text, category text, price numeric(10, 2),
    unit_cost numeric(10, 2), weight_kg double precision, tags text[], attributes jsonb,
    is_discontinued boolean, added_on date);
insert into products
select n, 'SKU-' || lpad(n::text, 4, '0'), 'Product ' || n,
       (array['books', 'games', 'garden', 'tools'])[1 + n % 4], 5 + n * 3.35, 2 + n * 1.5,
       n * 0.25, array[(array['new', 'sale', 'eco'])[1 + n % 3], 'tag' || n % 4],
       jsonb_build_object('color', (array['red', 'green'])[1 + n % 2], 'size', n % 4),
       n % 9 = 0, date '2022-06-01' + n * 5
  from generate_series(1, 40) n;

create table orders (
    order_id integer primary key, customer_id integer, ordered_at timestamp, shipped_at timestamp,
    delivered_at timestamp, status text, channel text, currency text, total numeric(12, 2),
    discount numeric(5, 4), coupon text, note text);
insert into orders
select n, 1 + n * 13 % 80, timestamp '2024-01-01' + n * interval '33 hours',
       timestamp '2024-01-01' + n * interval '33 hours' + (n % 5) * interval '1 day',
       case when n % 7 > 0 then timestamp '2024-01-01' + n * interval '33 hours'
            + (2 + n % 9) * interval '1 day' end,
       (array['paid', 'shipped', 'delivered', 'returned', 'cancelled'])[1 + n % 5],
       (array['web', 'app', 'store'])[1 + n % 3], (array['EUR', 'USD'])[1 + n % 2],
       20 + n * 17 % 400, (n % 4) * 0.05, case when n % 11 = 0 then 'SPRING' end,
       case when n % 6 = 0 then 'please ring; twice' end
  from generate_series(1, 600) n;

create table order_items (
    order_id integer, line_no integer, product_id integer, quantity integer,
    unit_price numeric(10, 2), discount numeric(5, 4), primary key (order_id, line_no));
insert into order_items
select o, l, 1 + (o * 7 + l * 11) % 40, 1 + (o + l) % 5, 5 + (o + l) % 60, (l % 3) * 0.1
  from generate_series(1, 600) o, generate_series(1, 3) l where l <= 1 + o % 3;

create table employees (
    employee_id integer primary key, name text, manager_id integer, department text,
    salary numeric(10, 2), hired_on date);
insert into employees
select n, 'Employee ' || n, case when n > 1 then n / 3 + 1 end,
       (array['sales', 'support', 'engineering'])[1 + n % 3], 30000 + n * 1777 % 50000,
       date '2015-03-01' + n * 40
  from generate_series(1, 30) n;
update employees set manager_id = null where employee_id = manager_id;

create table web_sessions (
    session_id bigint primary key, customer_id integer, started_at timestamptz, seconds integer,
    pages integer, referrer text, address inet, device jsonb);
insert into web_sessions
select n, 1 + n % 80, timestamptz '2026-10-01 06:00+00' + n * interval '41 minutes', 10 + n % 900,
       1 + n % 12, (array['search', 'mail', 'ads', null])[1 + n % 4],
       ('192.0.2.' || n % 250)::inet,
       jsonb_build_object('os', (array['ios', 'android', 'linux'])[1 + n % 3], 'tablet', n % 4 = 0)
  from generate_series(1, 400) n;

create table events (
    event_id bigint primary key, customer_id integer, at timestamptz, name text, page text,
    value numeric(12, 4), props jsonb, session_id bigint, during tstzrange, slots int4multirange,
    raw bytea, ip inet, uid uuid, labels text[], scores integer[], duration interval, payload json,
    day date, tod time);
insert into events
select n, 1 + n * 7 % 80, start, (array['view', 'cart', 'checkout', 'purchase', 'refund'])[1 + n % 5],
       '/p/' || n % 30, n % 100 * 1.25,
       jsonb_build_object('utm', jsonb_build_object(
                            'source', (array['google', 'mail', 'direct'])[1 + n % 3],
                            'medium', 'cpc'),
                          'items', jsonb_build_array(n % 4, n % 6), 'ab', n % 2 = 0,
                          'amount', n % 50 * 0.5, 'when', '2026-10-01T00:00:00'),
       1 + n % 400, tstzrange(start, start + (n % 60) * interval '1 minute'),
       int4multirange(int4range(n % 10, n % 10 + 5), int4range(n % 10 + 20, n % 10 + 30)),
       decode(md5(n::text), 'hex'), ('10.0.' || n % 5 || '.' || n % 250)::inet,
       md5('e' || n)::uuid, array['a' || n % 3, 'b' || n % 4], array[n % 7, n % 11, n % 5],
       (n % 90) * interval '1 second',
       json_build_object('k', n % 9, 'arr', json_build_array(1, 2, n % 3)), date '2026-09-01' + n % 60,
       time '08:00' + (n % 600) * interval '1 minute'
  from (select n, timestamptz '2026-09-01 00:00+00' + n * interval '37 minutes' as start
          from generate_series(1, 1200) n) made;
