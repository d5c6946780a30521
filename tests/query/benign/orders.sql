select country, count(*) as customers from customers group by country order by customers desc

select c.name, sum(o.total) as spent from customers c join orders o on o.customer_id = c.customer_id group by c.customer_id, c.name order by spent desc limit 10

select date_trunc('month', ordered_at)::date as month, count(*) as orders, sum(total) as revenue, avg(total)::numeric(12, 2) from orders where status <> 'cancelled' group by 1 order by 1

select p.category, sum(i.quantity * i.unit_price * (1 - i.discount)) as revenue, sum(i.quantity) as units
from order_items i join products p using (product_id) group by p.category order by revenue desc

select p.name, sum(quantity) from order_items natural join products p group by p.name order by 2 desc limit 5

select o.order_id, o.total, c.name from orders o left outer join customers c on c.customer_id = o.customer_id where c.customer_id is null

select c.* from customers c where c.is_active and c.segment is distinct from 'business' order by c.signed_up limit 5

select count(*) from customers where segment is not distinct from null

select extract(year from ordered_at) as year, sum(total) from orders group by year order by year

select to_char(ordered_at, 'Day') as weekday, count(*) from orders group by to_char(ordered_at, 'Day'), extract(isodow from ordered_at) order by extract(isodow from ordered_at)

with first_orders as (select customer_id, min(ordered_at) as first_at from orders group by customer_id)
select date_trunc('quarter', first_at) as cohort, count(*) from first_orders group by cohort order by cohort

with cohorts as (
    select customer_id, date_trunc('month', min(ordered_at)) as cohort from orders group by customer_id
), activity as (
    select distinct customer_id, date_trunc('month', ordered_at) as month from orders
)
select cohort, extract(year from age(month, cohort)) * 12 + extract(month from age(month, cohort)) as months_later, count(*)
from cohorts join activity using (customer_id) group by 1, 2 order by 1, 2

select customer_id, ordered_at, ordered_at - lag(ordered_at) over (partition by customer_id order by ordered_at) as gap from orders order by customer_id, ordered_at limit 20

select customer_id, count(*) as orders, max(ordered_at) as last_order, now()::timestamp - max(ordered_at) as recency, ntile(5) over (order by sum(total)) as monetary from orders group by customer_id

select status, count(*), sum(total), count(*) filter (where shipped_at is not null and delivered_at is null) as on_the_way from orders group by rollup(status)

select channel, currency, sum(total) from orders group by cube(channel, currency) order by channel nulls first, currency nulls first

select channel, date_trunc('year', ordered_at) y, sum(total) from orders group by grouping sets ((channel, date_trunc('year', ordered_at)), (channel), ()) order by 1, 2

select sum(total) filter (where currency = 'EUR') as eur, sum(total) filter (where currency = 'USD') as usd from orders

select channel, max(case when status = 'paid' then n end) as paid, max(case when status = 'shipped' then n end) as shipped
from (select channel, status, count(*) as n from orders group by channel, status) as counts group by channel

select percentile_cont(0.5) within group (order by delivered_at - shipped_at) as median_delivery from orders where delivered_at is not null

select avg(delivered_at - ordered_at) as lead_time, max(extract(epoch from delivered_at - ordered_at) / 86400)::int as worst_days from orders

select * from orders where ordered_at >= '2025-01-01' and ordered_at < '2025-02-01' and total between 50 and 100 order by total desc

select order_id, (ordered_at, shipped_at) overlaps (timestamp '2025-01-01', timestamp '2025-01-31') from orders limit 5

select name, email from customers where email like '%@example.org' and position('1' in name) > 0 and left(name, 1) = 'C'

select coalesce(nullif(trim(note), ''), 'none') as note, count(*) from orders group by 1

select string_agg(name, ', ' order by name) filter (where price > 100) as expensive, category from products group by category

select name, price, price - unit_cost as margin, round((price - unit_cost) / price * 100, 1) as margin_percent from products where not is_discontinued order by margin_percent desc

select category, name, price, rank() over w, dense_rank() over w, price - avg(price) over (partition by category) as above_average from products window w as (partition by category order by price desc)

select category, count(*), min(price), max(price), avg(price), variance(price), var_pop(price), stddev(price) from products group by category having avg(price) > 20

select attributes->>'color' as color, (attributes->>'size')::int as size, count(*) from products group by 1, 2 order by 1, 2

select product_id, attributes || '{"seen": true}'::jsonb as attributes, attributes - 'size', attributes #- '{color}' from products limit 3

select tags[1] as tag, count(*) from products group by tags[1]

select unnest(tags) as tag, count(*) from products group by 1 order by 2 desc

select p.name, t.tag, t.nr from products p cross join lateral unnest(p.tags) with ordinality as t(tag, nr) order by p.product_id, t.nr limit 9

select name from products where 'eco' = any(tags) and not 'sale' = any(tags)

select name from products where tags @> array['new'] or tags <@ array['sale', 'tag1']::text[]

select a.name, b.name as same_price_as from products a join products b on a.price = b.price and a.product_id < b.product_id

select x.product_id, y.product_id, count(*) from order_items x join order_items y on x.order_id = y.order_id and x.product_id < y.product_id group by 1, 2 order by 3 desc limit 10

select c.name, latest.ordered_at, latest.total from customers c left join lateral (select ordered_at, total from orders o where o.customer_id = c.customer_id order by ordered_at desc limit 1) latest on true

select c.country, top.name, top.spent from (select distinct country from customers) c cross join lateral (
  select cu.name, sum(o.total) as spent from customers cu join orders o using (customer_id) where cu.country = c.country group by cu.name order by spent desc limit 2) top

select customer_id from orders where status = 'returned' except select customer_id from orders where status = 'delivered'

select 'customers' as what, count(*) as n from customers union all select 'orders', count(*) from orders union all select 'products', count(*) from products order by n desc

with recursive chain as (
  select employee_id, name, manager_id, 1 as depth, name::text as path from employees where manager_id is null
  union all
  select e.employee_id, e.name, e.manager_id, c.depth + 1, c.path || ' > ' || e.name from employees e join chain c on e.manager_id = c.employee_id
)
select * from chain order by path limit 50

with recursive referrals(customer_id, root, depth) as (
  select customer_id, customer_id, 0 from customers where referred_by is null
  union
  select c.customer_id, r.root, r.depth + 1 from customers c, referrals r where c.referred_by = r.customer_id and r.depth < 10
) select root, max(depth), count(*) from referrals group by root order by 3 desc limit 5

with recursive numbers as (select 1 as n union all select n + 1 from numbers where n < 100) select sum(n), avg(n) from numbers

with recursive t(d) as (values (date '2026-01-01') union all select (d + interval '1 month')::date from t where d < date '2026-12-01') select d from t

with totals as materialized (select customer_id, sum(total) as spent from orders group by customer_id),
     tiers as not materialized (select customer_id, case when spent > 2000 then 'gold' when spent > 1000 then 'silver' else 'bronze' end as tier from totals)
select tier, count(*) from tiers group by tier

select * from (values ('EUR', 1.0), ('USD', 0.92)) as rates(currency, rate)

select o.currency, sum(o.total * r.rate) as total_eur from orders o join (values ('EUR', 1.0), ('USD', 0.92)) r(currency, rate) using (currency) group by o.currency

select v.column1, v.column2 from (values (1, 'one'), (2, 'two')) v

select department, name, salary, salary - lag(salary) over (partition by department order by hired_on) as raise, sum(salary) over (partition by department) as total from employees

select e.name, m.name as manager, e.salary > m.salary as earns_more from employees e left join employees m on m.employee_id = e.manager_id

select department, percentile_disc(array[0.25, 0.75]) within group (order by salary) as quartiles from employees group by department

select name, hired_on, age(date '2026-11-01', hired_on), date_part('year', age(hired_on)) as years from employees order by hired_on limit 5

select count(*) from orders where ordered_at::time between time '09:00' and time '17:00' and extract(isodow from ordered_at) < 6

select ordered_at::date + 14 as due, (ordered_at + interval '2 weeks 3 days')::date, ordered_at - interval '1 hour' * 3 from orders limit 2

select make_timestamp(2026, 1, 31, 0, 0, 0) + make_interval(months => 1) as shifted, make_interval(days => 10, hours => 2), make_time(12, 30, 0)

select to_date('2026-03-01', 'YYYY-MM-DD'), to_timestamp(1760000000), to_number('1,234.5', '9G999D9'), to_char(1234567.891, 'FM9,999,999.00')

select lower(city) || ', ' || upper(country) as place, concat(city, ' (', country, ')'), concat_ws('-', country, city, null), format('%s: %s', country, city) from customers limit 3

select lpad(order_id::text, 8, '0') as number, rpad(status, 12, '.'), reverse(status), replace(status, 'p', 'P'), translate(status, 'aeiou', '*****') from orders limit 3

select regexp_matches(sku, '([A-Z]+)-(\d+)') as parts from products limit 3

select (regexp_match(sku, '\d+'))[1]::int as number, regexp_split_to_array(name, '\s+') as words, regexp_count(name, 'o') from products limit 3

select word, count(*) from products, regexp_split_to_table(lower(name), '\s+') as word group by word order by 2 desc

select s.part, count(*) from orders, string_to_table(coalesce(note, ''), ';') as s(part) group by s.part

select overlay(email placing '***' from 1 for 2), octet_length(name), bit_length(name), char_length(name), strpos(email, '@') from customers limit 2

select md5(email), encode(sha256(convert_to(email, 'UTF8')), 'hex') as digest, substr(md5(email), 1, 8) from customers limit 2

select mod(customer_id, 4) as bucket, abs(hashtext(email)) % 10 as arm, count(*) from customers group by 1, 2

select round(avg(total), 2), ceil(max(total)), floor(min(total)), trunc(sum(total), -2), sqrt(sum(total)), power(2, 10), exp(1), ln(10), log(100), log(2, 8), pi(), sign(-3), cbrt(27), 17 % 5, 2 ^ 3, |/ 16, @ -4 from orders

select greatest(price, unit_cost, 10), least(price, 5), nullif(price, 0), num_nulls(price, null), gcd(12, 18), lcm(4, 6), div(7, 2), width_bucket(price, array[10, 50, 100]::numeric[]) from products limit 2

select 5 & 3, 5 | 3, 5 # 3, ~5, 1 << 4, 256 >> 2

select cast(total as integer), cast(total as text), total::float8, total::money::numeric, cast('2026-01-01' as date), '12'::smallint, 3.7::bigint, 't'::boolean, 1::bool from orders limit 1

select date '2026-02-28' + 1, timestamp '2026-01-01 10:00' - timestamp '2025-12-31', interval '1 year 2 mons' * 2, timestamptz '2026-01-01 00:00+02' at time zone 'UTC', time '10:00' + interval '90 min'

select current_date, current_timestamp(0), localtime(0), localtimestamp, current_time, now()::date, clock_timestamp() > now(), statement_timestamp() is not null

select city collate "C" from customers order by city collate "C" desc, name collate "POSIX" limit 3

select session_id, host(address), family(address), address << inet '192.0.2.0/25' as lower_half, address::text from web_sessions limit 3

select device->>'os' as os, avg(seconds), sum(pages)::float / count(*) as pages_each from web_sessions where (device->>'tablet')::boolean group by os

select date_trunc('hour', started_at, 'Europe/Paris') as hour, count(*) from web_sessions group by 1 order by 1 limit 12

with gaps as (select customer_id, started_at, started_at - lag(started_at) over (partition by customer_id order by started_at) > interval '30 minutes' as is_new from web_sessions)
select customer_id, sum(case when is_new is not false then 1 else 0 end) over (partition by customer_id order by started_at) as visit from gaps limit 20

select referrer, count(*) as sessions, count(distinct customer_id) as people from web_sessions group by referrer order by sessions desc nulls last

select w.customer_id, bool_or(o.order_id is not null) as bought from web_sessions w left join orders o on o.customer_id = w.customer_id and o.ordered_at > w.started_at - interval '2 years' group by 1 limit 10

select count(*) as customers, count(email) as with_mail, count(*) - count(segment) as without_segment from customers

select segment, count(*) * 100.0 / (select count(*) from customers) as share from customers group by segment

select birth_year / 10 * 10 as decade, count(*) from customers group by 1 order by 1

select coupon, count(*), sum(total * discount)::numeric(12,2) as given from orders where coupon is not null group by coupon

select order_id from orders where (status, channel) in (('paid', 'web'), ('shipped', 'app')) and (total, discount) > (100, 0.05)

select order_id from orders where total > any (array[100, 200]) and total <= all (select max(total) from orders)

select count(*) from orders o where exists (select 1 from order_items i join products p on p.product_id = i.product_id where i.order_id = o.order_id and p.category = 'books')

select o.order_id, (select sum(i.quantity * i.unit_price) from order_items i where i.order_id = o.order_id) as items, o.total from orders o order by abs(o.total - (select sum(i.quantity * i.unit_price) from order_items i where i.order_id = o.order_id)) desc limit 5

select order_id, row_number() over (order by total desc) - 1 as position from orders order by random() limit 3

select t.* from orders as t(id, customer) where t.id < 5

select j.order_id, j.name from (orders join customers using (customer_id)) as j limit 3

select u.customer_id, a.order_id from orders a join customers b using (customer_id) as u limit 3

select public.orders.order_id, public.orders.total from public.orders limit 2

select "orders"."order_id" as "Order", "total" "Total" from "public"."orders" limit 1

table products order by product_id limit 2
