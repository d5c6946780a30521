with monthly as (
    select date_trunc('month', ordered_at) as month, sum(total) as revenue from orders group by 1
)
select month, revenue, lag(revenue, 12) over (order by month) as year_before,
       round(100 * (revenue / nullif(lag(revenue, 12) over (order by month), 0) - 1), 1) as growth
from monthly order by month

with ranked as (
    select p.category, p.name, sum(i.quantity * i.unit_price) as revenue,
           row_number() over (partition by p.category order by sum(i.quantity * i.unit_price) desc) as place
    from order_items i join products p on p.product_id = i.product_id group by p.category, p.name
)
select category, name, revenue from ranked where place <= 3 order by category, place

with spent as (
    select customer_id, sum(total) as total from orders group by customer_id
), shares as (
    select customer_id, total, sum(total) over (order by total desc) / sum(total) over () as share from spent
)
select case when share <= 0.8 then 'A' when share <= 0.95 then 'B' else 'C' end as class, count(*), sum(total)
from shares group by class order by class

with rfm as (
    select customer_id, ntile(4) over (order by max(ordered_at)) as r, ntile(4) over (order by count(*)) as f,
           ntile(4) over (order by sum(total)) as m
    from orders group by customer_id
)
select r || '' || f || '' || m as segment, count(*) from rfm group by r, f, m order by count(*) desc limit 10

with funnel as (
    select count(*) as ordered, count(shipped_at) as shipped, count(delivered_at) as delivered from orders
)
select step.name, step.n, round(100.0 * step.n / f.ordered, 1) as percent
from funnel f cross join lateral (values ('ordered', f.ordered), ('shipped', f.shipped), ('delivered', f.delivered)) as step(name, n)

with days as (select generate_series(date '2026-08-01', date '2026-10-31', interval '1 day')::date as day),
     cost as (select (at at time zone 'UTC')::date as day, sum(cost_usd) as usd from calls group by 1)
select days.day, coalesce(cost.usd, 0) as usd, avg(coalesce(cost.usd, 0)) over (order by days.day rows 6 preceding) as smooth
from days left join cost using (day) order by days.day

with marked as (
    select customer_id, started_at,
           case when started_at - lag(started_at) over w < interval '1 day' then 0 else 1 end as is_start
    from web_sessions window w as (partition by customer_id order by started_at)
), islands as (
    select customer_id, started_at, sum(is_start) over (partition by customer_id order by started_at) as island from marked
)
select customer_id, island, min(started_at), max(started_at), count(*) from islands group by customer_id, island having count(*) > 1

select customer_id, min(day) as since, max(day) as until, count(*) as days
from (select customer_id, day, day - (row_number() over (partition by customer_id order by day))::int as grp
      from (select distinct customer_id, started_at::date as day from web_sessions) d) g
group by customer_id, grp order by days desc limit 5

select a.category as one, b.category as other, count(distinct a.order_id) as together
from (select order_id, category from order_items join products using (product_id)) a
join (select order_id, category from order_items join products using (product_id)) b
  on a.order_id = b.order_id and a.category < b.category
group by 1, 2 order by 3 desc

select country, count(*) filter (where segment = 'consumer') as consumer, count(*) filter (where segment = 'business') as business,
       count(*) filter (where segment is null) as unknown, count(*) as all
from customers group by rollup (country) order by grouping(country), country

select date_trunc('month', signed_up)::date as month, count(*) as new, sum(count(*)) over (order by date_trunc('month', signed_up)) as total
from customers group by date_trunc('month', signed_up) order by 1

select c.country, percentile_cont(0.5) within group (order by o.total) as median, avg(o.total) as mean,
       percentile_cont(0.5) within group (order by o.total) / nullif(avg(o.total), 0) as skew
from orders o join customers c using (customer_id) group by c.country having count(*) >= 10 order by median desc

select width_bucket(total, 0, 500, 5) as bucket, min(total) || ' - ' || max(total) as range, count(*) as n,
       repeat('#', least((count(*) / 5)::int, 60)) as bar
from orders group by bucket order by bucket

select o1.customer_id, o1.ordered_at as first, min(o2.ordered_at) as second
from orders o1 left join orders o2 on o2.customer_id = o1.customer_id and o2.ordered_at > o1.ordered_at
where o1.ordered_at = (select min(ordered_at) from orders o where o.customer_id = o1.customer_id)
group by o1.customer_id, o1.ordered_at

select x.month, x.channel, x.revenue, x.revenue - avg(x.revenue) over (partition by x.channel) as against_mean,
       (x.revenue - avg(x.revenue) over (partition by x.channel)) / nullif(stddev(x.revenue) over (partition by x.channel), 0) as z
from (select to_char(ordered_at, 'YYYY-MM') as month, channel, sum(total) as revenue from orders group by 1, 2) as x order by abs(x.revenue) desc

select k.team, m.family, sum(c.cost_usd) as cost, count(distinct c.key_id) as keys, max(c.at)::date as last_day
from calls c inner join keys k on c.key_id = k.key_id left join models m on m.model = c.model
where c.status = 'settled' and c.at >= (select max(at) from calls) - interval '60 days'
group by k.team, m.family having sum(c.cost_usd) > 0 order by k.team, cost desc

select model, hour, calls, calls::float / max(calls) over (partition by model) as load
from (select model, extract(hour from at)::int as hour, count(*) as calls from calls group by 1, 2) t order by model, hour

select c.model, sum(c.input_tokens - c.cached_tokens) / 1e6 * m.input_usd_per_mtok as uncached_usd,
       100 * sum(c.cached_tokens) / nullif(sum(c.input_tokens), 0) as cached_percent
from calls c join models m on m.model = c.model group by c.model, m.input_usd_per_mtok

select feature, arm, avg(latency_ms)::int as ms, count(*) as n, stddev_samp(latency_ms) / sqrt(count(*)) as standard_error
from (select metadata->>'feature' as feature, metadata->'experiment'->>'arm' as arm, latency_ms from calls) as x
group by grouping sets ((feature, arm), (feature), ()) order by feature nulls last, arm nulls last

with spend as (
  select key_id, date_trunc('week', at) as week, sum(cost_usd) as usd from calls group by key_id, date_trunc('week', at)
), compared as (
  select s.*, lag(usd) over (partition by key_id order by week) as previous from spend as s
)
select k.name, c.week::date, c.usd, c.previous, c.usd / nullif(c.previous, 0) as factor
from compared c join keys k using (key_id) where c.usd > 2 * c.previous order by factor desc limit 20

select b.period, b.limit_usd, s.usd, case when s.usd >= b.limit_usd then 'over' when s.usd >= 0.8 * b.limit_usd then 'near' else 'fine' end as state
from budgets b left join (select key_id, sum(cost_usd) as usd from calls where at >= timestamptz '2026-10-01 00:00+00' group by key_id) s on s.key_id = b.key_id

select to_char(day, 'IYYY-IW') as week, sum(cost_usd) filter (where provider = 'openai') as openai, sum(cost_usd) filter (where provider = 'anthropic') as anthropic,
       sum(cost_usd) filter (where provider not in ('openai', 'anthropic')) as others from costs_daily group by 1 order by 1

select owner, day, cost, sum(cost) over month as month_to_date, cost / sum(cost) over month as share
from (select owner, day, sum(cost_usd) as cost from costs_daily where owner is not null group by owner, day) d
window month as (partition by owner, date_trunc('month', day) order by day) order by owner, day limit 40

with recursive tree as (
    select employee_id, name, manager_id, array[employee_id] as path, salary from employees where manager_id is null
    union all
    select e.employee_id, e.name, e.manager_id, t.path || e.employee_id, e.salary
    from tree t join employees e on e.manager_id = t.employee_id where not e.employee_id = any(t.path)
)
select name, cardinality(path) as level, repeat('  ', least(cardinality(path) - 1, 20)) || name as shown,
       (select sum(x.salary) from tree x where x.path[1:cardinality(tree.path)] = tree.path) as payroll
from tree order by path

with recursive months(month) as (
    select date_trunc('month', min(ordered_at)) from orders
    union all
    select month + interval '1 month' from months where month < (select max(ordered_at) from orders)
)
select m.month::date, count(o.order_id) from months m left join orders o on date_trunc('month', o.ordered_at) = m.month group by m.month order by 1

with recursive fib(n, a, b) as (select 1, 0::numeric, 1::numeric union all select n + 1, b, a + b from fib where n < 30) select n, a from fib

with base as (select status, channel, total from orders), sums as (select status, sum(total) as s from base group by status),
     parts as (select b.status, b.channel, sum(b.total) / max(s.s) as part from base b join sums s on s.status = b.status group by b.status, b.channel)
select status, jsonb_object_agg(channel, round(part, 3)) as parts from parts group by status order by status

select status, round(avg(total), 2) as mean, round(stddev_pop(total), 2) as spread, mode() within group (order by channel) as channel,
       percentile_disc(0.9) within group (order by total) as p90, count(*) filter (where total > 300) as large from orders group by status

select d.department, d.n, e.name, e.salary from (select department, count(*) as n, max(salary) as top from employees group by department) d
join employees e on e.department = d.department and e.salary = d.top

select name, salary, (select count(*) + 1 from employees x where x.salary > e.salary) as place from employees e order by place limit 5

select department, array_agg(name order by salary desc) filter (where salary > 40000) as well_paid, (array_agg(name order by hired_on))[1] as oldest from employees group by department

select case when grouping(channel) = 1 then 'every channel' else channel end as channel, case when grouping(status) = 1 then 'every status' else status end as status,
       count(*), sum(total) from orders group by cube (channel, status) order by grouping(channel), 1, grouping(status), 2

select p.name, p.price, avg(q.price) as neighbours from products p join products q on q.category = p.category and q.price between p.price * 0.8 and p.price * 1.2 and q.product_id <> p.product_id group by p.product_id, p.name, p.price order by p.name limit 5

select category, name, price from products p where price = (select max(price) from products where category = p.category) union all select 'all', 'mean', avg(price) from products order by 1, 3

select order_id, total, sum(total) over (order by ordered_at, order_id) as running, avg(total) over (order by ordered_at rows between 9 preceding and current row) as moving from orders order by ordered_at limit 25

select count(*) as days, count(*) filter (where n = 0) as quiet from (select d, (select count(*) from orders where ordered_at::date = d::date) as n from generate_series(timestamp '2024-02-01', timestamp '2024-02-29', '1 day') d) x

select e.key as attribute, e.value #>> '{}' as value, count(*) from products p cross join lateral jsonb_each(p.attributes) e group by 1, 2 order by 1, 2

select key, avg(value::numeric) from products, jsonb_each_text(attributes) where key = 'size' group by key

select profile->'address'->>'zip' as zip, (profile->>'newsletter')::boolean as newsletter, jsonb_array_length(profile->'languages') as languages, profile @> '{"languages": ["de"]}' as german from customers limit 4

select l.language, count(*) from customers c, jsonb_array_elements_text(c.profile->'languages') as l(language) group by l.language

select referrer, sum(pages) as pages, sum(sum(pages)) over () as all_pages, first_value(referrer) over (order by sum(pages) desc) as best from web_sessions group by referrer

select device->>'os' as os, count(*), avg(seconds) from web_sessions w where exists (select from orders o where o.customer_id = w.customer_id and o.status = 'delivered') group by os order by count desc

select started_at::date as day, count(*) as sessions, count(distinct customer_id) as people, count(*)::numeric / count(distinct customer_id) as each from web_sessions group by 1 having count(*) > 5 order by day

select c.name, o.n, o.total from customers c join (select customer_id, count(*) as n, sum(total) as total from orders group by customer_id) o using (customer_id) where o.n >= (select avg(n) from (select count(*) as n from orders group by customer_id) x) order by o.total desc limit 10

select coalesce(c.country, 'all') as country, o.status, sum(o.total), rank() over (partition by o.status order by sum(o.total) desc) from orders o join customers c on c.customer_id = o.customer_id group by grouping sets ((c.country, o.status), (o.status)) order by o.status, 4

select distinct first_value(name) over w as cheapest, last_value(name) over (w rows between unbounded preceding and unbounded following) as dearest, category from products window w as (partition by category order by price)

select t.bucket, count(*) from (select case when extract(hour from started_at) between 6 and 11 then 'morning' when extract(hour from started_at) between 12 and 17 then 'afternoon' else 'night' end as bucket from web_sessions) t group by t.bucket

select o.coupon is not null as with_coupon, avg(o.total) as mean, count(*) as n, avg(i.lines) as lines from orders o join (select order_id, count(*) as lines from order_items group by order_id) i using (order_id) group by 1

select case when o.discount = 0 then 'none' when o.discount < .1 then 'small' else 'large' end as discount, sum(o.total * (1 - o.discount))::numeric(14, 2) as net, sum(o.total * o.discount)::numeric(14, 2) as given from orders o group by 1 order by net desc

select sum(total) / count(distinct date_trunc('month', ordered_at)) as per_month, sum(total) / count(distinct customer_id) as per_customer, (max(ordered_at) - min(ordered_at)) / count(*) as between_orders from orders

select upper(substring(name from 1 for 1)) || lower(substring(name from 2)) as nice, split_part(email, '@', 1) as account, split_part(email, '@', -1) as domain from customers order by nice limit 3

select model, cost_usd::numeric(20, 10), to_char(cost_usd, 'FM0.000000') as shown, trunc(cost_usd, 4), cost_usd * 100 as cents from calls where cost_usd is not null order by cost_usd desc limit 3
