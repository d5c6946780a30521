select customer_id, ordered_at, total, sum(total) over (partition by customer_id order by ordered_at rows between unbounded preceding and current row) as running from orders order by 1, 2 limit 50

select customer_id, total, avg(total) over (partition by customer_id order by ordered_at range between interval '30 days' preceding and current row) from orders limit 20

select order_id, total, sum(total) over (order by total groups between 1 preceding and 1 following exclude current row) from orders limit 20

select order_id, total, sum(total) over (order by total groups 2 preceding exclude ties) from orders limit 20

select order_id, count(*) over (order by total rows between 3 preceding and 1 preceding exclude no others) from orders limit 20

select order_id, max(total) over (order by ordered_at rows between current row and unbounded following exclude group) from orders limit 20

select channel, status, total, rank() over w, dense_rank() over w, percent_rank() over w, cume_dist() over w, ntile(4) over w from orders window w as (partition by channel order by total desc) limit 30

select channel, first_value(total) over w, last_value(total) over (w rows between unbounded preceding and unbounded following), nth_value(total, 2) over w from orders window w as (partition by channel order by ordered_at)

select order_id, lag(total, 1, 0) over w as prev, lead(total, 2) over w as next2, total - lag(total) over w as diff from orders window w as (partition by customer_id order by ordered_at), w2 as (order by total) limit 10

select o.*, row_number() over (partition by o.customer_id order by o.ordered_at desc, o.order_id) rn from orders o order by rn limit 10

select * from (select o.*, row_number() over (partition by o.customer_id order by o.total desc) as rn from orders as o) as ranked where ranked.rn = 1

select customer_id, count(*) filter (where status = 'paid') as paid, count(*) filter (where status in ('returned', 'cancelled')) as bad, round(avg(total) filter (where total > 100), 2) from orders group by customer_id having count(*) filter (where status = 'paid') > 0

select channel, currency, sum(total) from orders group by grouping sets ((channel, currency), (channel), ()) order by 1 nulls last, 2 nulls last

select channel, status, grouping(channel, status) as g, count(*) from orders group by cube (channel, status) order by g, 1, 2

select coalesce(channel, 'ALL') as channel, case when grouping(status) = 1 then 'ALL' else status end as status, count(*) from orders group by rollup (channel, status)

select channel, status, currency, count(*) from orders group by channel, rollup (status, currency)

select channel, count(*) from orders group by grouping sets (cube (channel, status), rollup (currency))

with recursive chain as (select employee_id, name, manager_id, 1 as depth, array[employee_id] as path from employees where manager_id is null union all select e.employee_id, e.name, e.manager_id, c.depth + 1, c.path || e.employee_id from employees e join chain c on e.manager_id = c.employee_id where not e.employee_id = any (c.path)) select depth, count(*), max(array_length(path, 1)) from chain group by depth order by depth

with recursive fib(n, a, b) as (select 1, 0::numeric, 1::numeric union all select n + 1, b, a + b from fib where n < 50) select n, a from fib

with recursive dates as (select min(ordered_at)::date as d from orders union all select d + 1 from dates where d < (select max(ordered_at)::date from orders)) select d, count(o.order_id) from dates left join orders o on o.ordered_at::date = d group by d order by d

with recursive t(id, root) as (select customer_id, customer_id from customers where referred_by is null union select c.customer_id, t.root from customers c, t where c.referred_by = t.id) select root, count(*) - 1 as referrals from t group by root order by 2 desc limit 5

with recursive split(rest, word) as (select 'a,b,c' || ',', '' union all select substr(rest, strpos(rest, ',') + 1), split_part(rest, ',', 1) from split where rest <> '') select word from split where word <> ''

select c.name, x.total, x.ordered_at from customers c cross join lateral (select total, ordered_at from orders o where o.customer_id = c.customer_id order by ordered_at desc fetch first 3 rows only) x order by c.name

select c.customer_id, last.total from customers c left join lateral (select o.total from orders o where o.customer_id = c.customer_id order by o.ordered_at desc limit 1) last on true where last.total is not null

select e.event_id, i.item, i.pos from events e cross join lateral jsonb_array_elements(e.props -> 'items') with ordinality as i(item, pos) limit 10

select e.event_id, k.key, k.value from events e, jsonb_each_text(e.props) as k where k.key <> 'items' limit 20

select props ->> 'ab' as ab, count(*), avg((props ->> 'amount')::numeric) from events group by 1

select props #>> '{utm,source}' as source, props #> array['utm', 'medium'] as medium, count(*) from events group by 1, 2

select count(*) from events where props @> '{"utm": {"source": "google"}}' and props ? 'ab' and props ?| array['x', 'items'] and props ?& array['ab', 'items']

select props['utm']['source'] as s, count(*) from events group by props['utm']['source']

select jsonb_path_query_array(props, '$.items[*] ? (@ > 1)') from events limit 5

select event_id from events where props @? '$.items[*] ? (@ == 3)' and props @@ '$.amount > 10' limit 5

select jsonb_path_query_first(props, '$.utm.source', '{}', true) ->> 0 from events limit 3

select jsonb_path_exists(props, '$.items[*] ? (@ > $min)', '{"min": 2}') as has, count(*) from events group by 1

select jsonb_path_query(props, 'strict $.utm.keyvalue()') -> 'key' from events limit 4

select jsonb_build_object('total', sum(total), 'n', count(*), 'by', jsonb_build_array(min(total), max(total))) from orders

select json_agg(json_build_object('id', customer_id, 'name', name) order by name) from customers where country = 'DE'

select jsonb_object_agg(status, n) from (select status, count(*) as n from orders group by status) s

select json_object_agg(status, n order by n desc) filter (where n > 10) from (select status, count(*) n from orders group by 1) s

select jsonb_agg(distinct props -> 'utm' -> 'source') from events

select jsonb_set(props, '{utm,source}', '"other"', false) - 'items' from events limit 2

select props - array['items', 'ab'], props #- '{utm,medium}', props || '{"x": 1}'::jsonb from events limit 2

select jsonb_strip_nulls(jsonb_build_object('a', null, 'b', 1)), jsonb_pretty('{"a": [1, 2]}'), jsonb_typeof('[1]'), jsonb_array_length('[1, 2]')

select row_to_json(t) from (select status, count(*) as n from orders group by status) t

select json_agg(t) from (select status, count(*) as n from orders group by status order by 2 desc limit 3) t

select jsonb_agg(to_jsonb(t) - 'n') from (select status, count(*) as n from orders group by status) as t

with t as (select channel, sum(total) as revenue from orders group by channel) select json_agg(row_to_json(t) order by t.revenue desc) from t

select coalesce(json_agg(row_to_json(x)), '[]'::json) from (select order_id, total from orders where total > 100000) x

select json_build_object('orders', (select json_agg(q) from (select order_id, total from orders order by total desc limit 2) q), 'count', (select count(*) from orders))

select array_to_json(array_agg(row_to_json(t))) from (select name, price from products order by price desc limit 3) t

select c.name, (select json_agg(o) from (select order_id, total from orders where customer_id = c.customer_id order by total desc limit 2) o) as top from customers c limit 5

select count(t) from (select order_id from orders where status = 'paid') t

select (jsonb_each_text(props)).* from events limit 5

select event_id, (jsonb_each_text(props)).key from events limit 5

select x.a, x.b from jsonb_to_recordset('[{"a": 1, "b": "x"}]') as x(a int, b text)

select e.event_id, r.source, r.medium from events e, jsonb_to_record(e.props -> 'utm') as r(source text, medium text) limit 3

select json_object(array['a', 'b'], array['1', '2']), json_object('{a,1,b,2}')

select payload ->> 'k' as k, json_array_length(payload -> 'arr'), sum((payload ->> 'k')::int) from events group by 1, 2 order by 1

select json_typeof(payload -> 'arr'), payload #>> '{arr,0}' from events limit 1

select count(*) from events where (props ->> 'ab')::boolean is true

select (props ->> 'when')::timestamp at time zone 'Europe/Berlin' from events limit 1

select array_agg(order_id order by ordered_at desc) from orders where customer_id = 5

select labels, array_length(labels, 1), labels[1], labels[1:1], labels @> array['a1'], labels && '{a2,b3}' from events limit 4

select unnest(labels) as label, count(*) from events group by 1 order by 2 desc, 1

select l.label, count(*) from events e, unnest(e.labels) as l(label) group by l.label

select l, count(*) from events cross join unnest(labels) l group by l

select u.v, u.ord from events e, unnest(e.scores) with ordinality as u(v, ord) where e.event_id < 5

select array(select distinct unnest(labels) from events order by 1) as all_labels

select array_to_string(labels, ', ', '*'), string_to_array('a,b,,c', ',', ''), cardinality(labels), array_dims(scores), array_upper(scores, 1), array_lower(scores, 1) from events limit 2

select 'a1' = any (labels), 'zz' <> all (labels), 5 = any (scores) from events limit 3

select (select sum(s) from unnest(scores) s) as total, (select max(s) from unnest(scores) as s) as best from events limit 3

select array_positions(scores, 0), trim_array(scores, 1), scores[2:3], scores[:2] from events limit 2

select array_agg(scores) from (select scores from events limit 3) s

select array[[1, 2], [3, 4]], array[1, 2]::bigint[], '{}'::text[], array[]::int[], array[1,2] <> array[1,3], array[1,2] < array[1,3]

select during, lower(during), upper(during), upper(during) - lower(during) as len, isempty(during), lower_inc(during), upper_inf(during) from events limit 3

select count(*) from events where during @> timestamptz '2026-09-02 10:00+00'

select count(*) from events where during && tstzrange('2026-09-02', '2026-09-03', '[)')

select int4range(1, 10) * int4range(5, 15), int4range(1, 5) + int4range(5, 9), int4range(1, 9) - int4range(5, 9), int4range(1, 3) << int4range(5, 6), int4range(1, 3) -|- int4range(3, 6), int4range(1, 3) &< int4range(2, 9)

select numrange(1.5, 2.5, '[]') @> 2.0, '[2026-01-01,2026-02-01)'::daterange @> date '2026-01-15', daterange(null, '2026-01-01')

select slots, unnest(slots) from events limit 3

select range_agg(during) from events where event_id < 20

select range_intersect_agg(during) from events where event_id < 3

select range_merge(slots), multirange(int4range(1, 4)), '{[1,3),[5,8)}'::int4multirange @> 6, slots * '{[1,100)}', slots - '{[1,3)}' from events limit 2

select b.budget_id, upper(b.valid_during) - lower(b.valid_during) as days from budgets b where b.valid_during @> current_date or not b.valid_during @> current_date

select date_trunc('week', at), count(*) from events group by date_trunc('week', at) order by 1

select date_trunc('day', at, 'America/New_York') as day, count(*) from events group by 1 order by 1 limit 5

select date_bin('15 minutes', at, timestamptz '2026-01-01') as slot, count(*) from events group by slot order by slot limit 10

select date_bin(interval '6 hours', at, '2001-01-01') b, avg(value) from events group by b order by b

select age(max(at), min(at)), age(timestamp '2026-01-01'), age(now(), max(at)) > interval '0' from events

select extract(epoch from max(at) - min(at)) / 3600.0 as hours, extract(isodow from min(at)), extract(week from min(at)), extract(doy from min(at)), extract(quarter from min(at)), extract(year from min(at)), extract(millennium from now()) from events

select date_part('hour', at) as h, count(*) from events group by h order by h

select make_interval(days => 3, hours => 4), make_date(2026, 2, 28), make_timestamp(2026, 1, 2, 3, 4, 5.5), make_time(1, 2, 3), make_timestamptz(2026, 1, 1, 0, 0, 0, 'UTC'), make_interval(0, 0, 0, 7)

select at at time zone 'Asia/Tokyo', at at time zone interval '-05:00', (at at time zone 'UTC') at time zone 'Europe/Paris', timezone('UTC', at) from events limit 1

select at at local from events limit 1

select to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS'), to_char(value, 'FM999G990D00'), to_char(duration, 'HH24:MI:SS'), to_char(1234, '0000'), to_char(-12.5, 'S99.9') from events limit 2

select to_timestamp(1700000000), to_timestamp('2026-01-02', 'YYYY-MM-DD'), to_date('03/04/2026', 'DD/MM/YYYY'), to_number('1,234.5', '9G999D9')

select current_date, current_timestamp, now(), localtime, localtimestamp, current_time, current_timestamp(0), clock_timestamp() > now(), transaction_timestamp() = now(), statement_timestamp() is not null

select current_date - interval '7 days', current_date - 7, date '2026-03-01' - date '2026-02-01', timestamp 'yesterday' < timestamp 'today', 'now'::timestamptz > 'epoch'

select date '2026-01-31' + interval '1 month', interval '1 year 2 mons' * 2, interval '90 minutes' / 3, justify_interval(interval '1 mon -1 hour'), justify_hours(interval '27 hours'), justify_days(interval '35 days')

select (date '2026-01-01', date '2026-02-01') overlaps (date '2026-01-15', interval '10 days')

select interval '1' day, interval '1-2' year to month, interval '3 4:05' day to minute, interval '10' minute, interval(3) '1.23456 seconds', timestamp(0) '2026-01-01 00:00:00.7', time '10:00' + interval '30 minutes', time with time zone '10:00+02'

select day, day + tod as moment, tod - time '08:00', extract(hour from tod) from events limit 2

select generate_series(date '2026-01-01', date '2026-01-07', interval '1 day')::date as d

select d::date, extract(dow from d) in (0, 6) as weekend from generate_series('2026-01-01'::timestamp, '2026-01-14', '1 day') as d

select g.d, count(o.order_id) from generate_series(timestamp '2024-01-01', timestamp '2024-12-01', interval '1 month') as g(d) left join orders o on date_trunc('month', o.ordered_at) = g.d group by g.d order by g.d

select month::date, coalesce(sum(total), 0) from generate_series('2024-01-01'::date, '2024-06-01'::date, '1 month'::interval) month left join orders on date_trunc('month', ordered_at) = month group by month order by month

select * from generate_series(1, 10, 3) with ordinality

select i, i ^ 2, |/ i, ||/ i, @ (-i), i % 3, i / 2, i / 2.0, -i, i & 5, i | 8, i # 3, ~i, i << 2, i >> 1 from generate_series(1, 5) i

select percentile_cont(0.5) within group (order by total) as median, percentile_cont(array[0.25, 0.5, 0.75, 0.9, 0.99]) within group (order by total) as q, percentile_disc(0.9) within group (order by total desc), mode() within group (order by channel) from orders

select channel, percentile_cont(0.95) within group (order by total) filter (where status = 'paid') p95 from orders group by channel

select rank(100) within group (order by total), dense_rank(100) within group (order by total), percent_rank(100) within group (order by total), cume_dist(100) within group (order by total) from orders

select percentile_cont(0.5) within group (order by delivered_at - shipped_at) from orders where delivered_at is not null

select mode() within group (order by customer_id desc) from orders

select distinct on (customer_id) customer_id, order_id, total from orders order by customer_id, total desc nulls last, order_id

select distinct on (date_trunc('month', ordered_at)) date_trunc('month', ordered_at) as m, order_id from orders order by date_trunc('month', ordered_at), total desc

select distinct channel, currency from orders

select count(distinct (channel, currency)) from orders

select count(distinct channel), count(distinct status) filter (where total > 100), sum(distinct total) from orders

select * from (values (1, 'low'), (2, 'mid'), (3, 'high')) as v(level, label) order by level desc

select o.order_id, t.tier from orders o join (values ('bronze', 0, 100), ('silver', 100, 250), ('gold', 250, null)) as t(tier, lo, hi) on o.total >= t.lo and (o.total < t.hi or t.hi is null) limit 5

select column1, column2 from (values (1, 2), (3, 4)) as t

(select 'top' as kind, order_id, total from orders order by total desc limit 3) union all (select 'bottom', order_id, total from orders order by total limit 3) order by kind, total

select customer_id from orders where channel = 'web' intersect select customer_id from orders where channel = 'app' except select customer_id from orders where status = 'returned' order by 1 limit 10 offset 2

(select customer_id from orders except all select customer_id from customers where is_active) intersect all (select customer_id from orders) order by customer_id fetch next 5 rows only

select * from (select 1 as a union select 2 union all select 2) u order by a desc

select name from customers where name ilike '%1%' and email not like 'c2%' and city ~ '^[BP]' and country !~* 'us' and name similar to 'Customer (1|2)%' escape '\' order by name collate "C" desc

select name from products where name like 'Product\_%' escape '!' or name ~~* '%ct 1%' or name !~~ 'x'

select regexp_replace(email, '@.*$', ''), regexp_replace(name, '(\w+) (\d+)', '\2-\1', 'gi'), substring(email from '@(.*)$'), substring(email, 2, 3), substring(name from 1 for 4), substring(name similar '%#"C#"%' escape '#') from customers limit 3

select (regexp_match(email, '^c(\d+)@'))[1]::int as n from customers order by n desc limit 3

select m[1] as digits from customers, regexp_matches(email, '(\d)', 'g') as m limit 5

select regexp_split_to_table('a b  c', '\s+'), regexp_split_to_array('1,2;3', '[,;]'), regexp_count('banana', 'a'), regexp_instr('banana', 'n', 1, 2), regexp_substr('abc123', '\d+'), regexp_like('Abc', '^a', 'i')

select string_agg(name, ', ' order by name desc) filter (where price > 50) from products

select category, string_agg(distinct sku, '|' order by sku) from products group by category

select format('%s has %s (%I, %L)', name, category, 'Weird Name', null) from products limit 2

select format('%1$s-%2$s-%1$s', name, sku), format('%-10s|%5s', category, product_id) from products limit 2

select width_bucket(total, 0, 500, 10) as bucket, count(*), min(total), max(total) from orders group by bucket order by bucket

select width_bucket(total, array[50, 100, 200]::numeric[]) b, count(*) from orders group by b order by b

select corr(quantity, unit_price), covar_pop(quantity, unit_price), covar_samp(quantity, unit_price), regr_slope(unit_price, quantity), regr_intercept(unit_price, quantity), regr_r2(unit_price, quantity), regr_count(unit_price, quantity), stddev(unit_price), variance(unit_price), stddev_pop(quantity), var_samp(quantity) from order_items

select coalesce(segment, 'none'), nullif(city, 'Paris'), greatest(birth_year, 1960, 1970), least(birth_year, null, 1980) from customers limit 4

select case when total < 50 then 'S' when total between 50 and 150 then 'M' else 'L' end size, count(*) from orders group by 1 order by 1

select case status when 'paid' then 1 when 'shipped' then 2 else 0 end as code, case when true then null end, case currency when 'EUR' then total * 1.08 else total end from orders limit 3

select '42'::int, cast('3.14' as numeric(4, 2)), int '7', float8 '1.5', '2026-01-01'::date, date '2026-01-01', bool 'yes', numeric '1e3', '1 day'::interval, 't'::boolean, text 'x', uuid '00000000-0000-0000-0000-000000000001', json '{"a": 1}', jsonb '[]', varchar(3) 'abcdef', char(2) 'x', double precision '1', real '2.5', smallint '3', bigint '4', decimal '5.5', bytea '\x00ff', bit '101', bit varying '10', inet '10.0.0.1/24', cidr '10.0.0.0/8', macaddr '08:00:2b:01:02:03', money '12.34'

select "order_id" as "Order Number", "total" "Total €", 1 as "select", 2 as "Größe", 3 as "naïve café", 4 as "日本" from "orders" limit 1

select 'Ünïcödé — 日本語 🎉' as t, length('🎉é'), upper('straße'), 'é' = 'é', position('ö' in 'Löwe'), reverse('日本'), E'\u00e9\x41\n\t\\', chr(8364), ascii('€')

select /* outer /* nested */ still */ count(*) -- trailing
from orders /* ; drop table orders */ where note <> '--' -- ; delete from orders

select $$it's; a 'dollar' quote$$, $fn$ select $$ inner $$ $fn$, 'a' 
'b', N'national', B'1010', X'FF', 'semi;colon'

select order_id, total from orders order by total desc fetch first 3 rows with ties

select order_id from orders order by order_id offset 10 rows fetch next row only

select order_id from orders order by 1 limit all offset 595

select order_id from orders limit 2 + 3 offset (select 1)

select c.name from customers c where exists (select 1 from orders o where o.customer_id = c.customer_id and o.total > 400) and not exists (select from orders where orders.customer_id = c.customer_id and status = 'returned')

select order_id from orders where total > all (select avg(total) from orders group by channel) and customer_id = any (select customer_id from customers where country = 'DE')

select order_id from orders where (channel, currency) in (('web', 'EUR'), ('app', 'USD')) and (total, order_id) > (100, 5) and row(channel, status) <> row('web', 'paid') limit 5

select order_id from orders where (customer_id, total) in (select customer_id, max(total) from orders group by customer_id) limit 5

select order_id from orders where coupon is distinct from 'SPRING' and note is not distinct from null and (shipped_at is null) is not true and (total > 1) is not unknown limit 5

select 5 between symmetric 10 and 1, 3 not between 4 and 6, 1 not in (2, 3), null is null, 1 notnull, not (true and false) or null

select o.order_id oid2, o.total as amount, c.name customer from orders o inner join customers as c on c.customer_id = o.customer_id left outer join order_items as i using (order_id) limit 4

select order_id, count(*) from orders natural join order_items group by order_id limit 3

select customer_id, o.order_id, c.country from customers c join orders o using (customer_id) full outer join events e using (customer_id) limit 3

select j.customer_id, c.name from customers c join orders o using (customer_id) as j limit 3

select p.name from products p right join order_items i on i.product_id = p.product_id cross join (select 1 as one) k limit 3

select orders.* from orders, customers where orders.customer_id = customers.customer_id limit 1

select a.order_id, b.order_id from orders a, orders b where a.customer_id = b.customer_id and a.order_id < b.order_id limit 5

select md5(email), sha256(email::bytea), encode(sha256(convert_to(email, 'UTF8')), 'hex'), encode(raw, 'base64'), decode('aGk=', 'base64'), get_byte(raw, 0), length(raw), substring(raw from 1 for 2), octet_length(raw) from customers, events limit 1

select initcap('hello world'), translate('12345', '143', 'ax'), split_part('a-b-c', '-', 2), split_part('a-b-c', '-', -1), overlay('Txxxxas' placing 'hom' from 2 for 4), trim(both 'x' from 'xxhixx'), trim(leading from ' a'), ltrim('zzz', 'z'), rtrim('a  '), btrim('xax', 'x'), lpad('7', 3, '0'), rpad('ab', 5, '.'), repeat('ab', 3), left('abc', -1), right('abc', 2), concat('a', 1, null), concat_ws('-', 'a', null, 'b'), char_length('abc'), position('b' in 'abc'), strpos('abc', 'c'), starts_with('abc', 'ab'), 'abc' ^@ 'a', replace('aaa', 'a', 'b'), quote_literal('x'), quote_ident('A b'), to_hex(255), bit_length('a'), lower('ABC'), normalize('é', NFD), 'a' is normalized

select word from string_to_table('the quick brown', ' ') as word

select t.* from unnest(array[1, 2], array['a', 'b', 'c']) with ordinality as t(n, s, o)

select * from rows from (generate_series(1, 3), unnest(array['x', 'y']), jsonb_array_elements_text('["p"]')) as t(a, b, c)

select * from rows from (generate_series(1, 2), generate_series(10, 13)) with ordinality

with a as materialized (select * from orders where total > 100), b as not materialized (select channel, count(*) n from a group by channel) select b.channel, b.n, (select max(total) from a) from b

with x(a, b) as (select 1, 2), y as (select a + b as c from x) select * from x, y

select (with m as (select max(total) t from orders) select t from m) as best

select order_id, (select count(*) from order_items i where i.order_id = o.order_id) as lines from orders o order by lines desc, order_id limit 5

select o.channel, o.m, round(100.0 * o.rev / sum(o.rev) over (partition by o.m), 2) pct from (select channel, date_trunc('month', ordered_at) m, sum(total) rev from orders group by 1, 2) o order by 2, 1

select every(total > 0), bool_and(total > 0), bool_or(total > 400), bit_and(order_id), bit_or(order_id), bit_xor(order_id), any_value(channel) from orders

select num_nulls(note, coupon), num_nonnulls(note, coupon, total) from orders limit 3

select host(ip), masklen(ip), network(ip), ip << inet '10.0.0.0/8', ip + 1, family(ip), broadcast(inet '10.0.0.0/24'), abbrev(inet '10.1.0.0/16'), set_masklen(ip, 24) from events limit 2

select uid, gen_random_uuid() is not null, uid::text like 'a%' from events limit 2

select to_tsvector('english', name) @@ to_tsquery('english', 'product & 1'), ts_rank(to_tsvector(name), plainto_tsquery('product')), websearch_to_tsquery('english', '"big" -small'), ts_headline('english', 'the big cat', to_tsquery('cat')), phraseto_tsquery('big cat'), setweight(to_tsvector('a b'), 'A'), strip(to_tsvector('a b')), numnode(to_tsquery('a & b')), tsvector_to_array(to_tsvector('simple', 'a b')) from products limit 2

select date_trunc('month', signed_up) as cohort, count(*) as size, count(*) filter (where exists (select 1 from orders o where o.customer_id = c.customer_id)) as bought from customers c group by 1 order by 1

with first_order as (select customer_id, min(date_trunc('month', ordered_at)) as cohort from orders group by customer_id), activity as (select f.cohort, extract(year from age(date_trunc('month', o.ordered_at), f.cohort)) * 12 + extract(month from age(date_trunc('month', o.ordered_at), f.cohort)) as month_no, count(distinct o.customer_id) as active from orders o join first_order f using (customer_id) group by 1, 2) select cohort::date, month_no, active, round(100.0 * active / first_value(active) over (partition by cohort order by month_no), 1) as retention from activity order by cohort, month_no

select customer_id, ordered_at, case when ordered_at - lag(ordered_at) over (partition by customer_id order by ordered_at) > interval '60 days' then 1 else 0 end as is_new_session from orders

with gaps as (select order_id, order_id - row_number() over (order by order_id) as grp from orders where status = 'paid') select min(order_id), max(order_id), count(*) from gaps group by grp order by 3 desc limit 5

select category, sum(case when extract(quarter from o.ordered_at) = 1 then i.quantity else 0 end) as q1, sum(case when extract(quarter from o.ordered_at) = 2 then i.quantity else 0 end) as q2, sum(i.quantity) filter (where extract(quarter from o.ordered_at) = 3) as q3 from order_items i join orders o using (order_id) join products p using (product_id) group by rollup (category)

select p.category, p.name, sum(i.quantity * i.unit_price * (1 - i.discount)) as revenue, rank() over (partition by p.category order by sum(i.quantity * i.unit_price * (1 - i.discount)) desc) as r from order_items i join products p on p.product_id = i.product_id group by p.category, p.product_id, p.name order by 1, 4

select avg(total) - 1.96 * stddev_samp(total) / sqrt(count(*)) as lo, avg(total) + 1.96 * stddev_samp(total) / sqrt(count(*)) as hi from orders

with stats as (select avg(total) mu, stddev(total) sd from orders) select o.order_id, (o.total - s.mu) / nullif(s.sd, 0) as z from orders o, stats s where abs(o.total - s.mu) > 1.5 * s.sd order by z desc

select a.product_id as x, b.product_id as y, count(*) as support, count(*)::numeric / (select count(distinct order_id) from order_items) as share from order_items a join order_items b on a.order_id = b.order_id and a.product_id < b.product_id group by 1, 2 having count(*) > 1 order by 3 desc limit 10

select to_char(date_trunc('month', ordered_at), 'YYYY-MM') as month, count(*) as n, sum(count(*)) over (order by date_trunc('month', ordered_at)) as cumulative from orders group by date_trunc('month', ordered_at) order by 1

select status, count(*) * 100.0 / sum(count(*)) over () as pct from orders group by status order by pct desc

select channel, total, ratio from (select channel, total, total / sum(total) over (partition by channel) as ratio from orders) as r where ratio > 0.01 order by ratio desc limit 5

select e1.name, e2.name as boss, coalesce(e3.name, '-') as "boss's boss" from employees e1 left join employees e2 on e1.manager_id = e2.employee_id left join employees e3 on e2.manager_id = e3.employee_id order by e1.name

select department, name, salary, salary - avg(salary) over (partition by department) as delta from employees order by department, salary desc

select department, max(salary) filter (where hired_on < '2017-01-01') as veterans from employees group by department having max(salary) > (select avg(salary) from employees)

select name, salary from employees e where 2 = (select count(distinct salary) from employees where department = e.department and salary >= e.salary)

select * from employees where salary >= all (select salary from employees)

select extract(year from hired_on)::int as y, count(*) as hires, sum(count(*)) over (order by extract(year from hired_on)::int rows unbounded preceding) as total from employees group by y order by y

select coalesce(department, 'Total') as department, sum(salary) from employees group by grouping sets ((department), ()) order by grouping(department), 2 desc

select model, avg(latency_ms)::int as avg_ms, percentile_cont(0.99) within group (order by latency_ms) as p99, max(latency_ms) from calls where at >= now() - interval '10 years' group by model order by p99 desc

select date_trunc('hour', at) as hour, sum(cost_usd) as usd, sum(sum(cost_usd)) over (partition by date_trunc('day', date_trunc('hour', at)) order by date_trunc('hour', at)) as day_to_date from calls group by 1 order by 1 desc limit 24

select key_name, sum(cost_usd) as spent, rank() over (order by sum(cost_usd) desc) from calls group by key_name having sum(cost_usd) > 0 limit 10

select k.name, k.team, count(c.call_id) as calls from keys k left join calls c on c.key_id = k.key_id and c.status = 'failed' group by k.key_id, k.name, k.team order by calls desc

select model, sum(input_tokens) as "in", sum(output_tokens) as "out", sum(cost_usd) / nullif(sum(input_tokens + output_tokens), 0) * 1e6 as usd_per_mtok from calls group by 1

select b.period, b.limit_usd, b.spent_usd, round(b.spent_usd / b.limit_usd * 100, 1) || '%' as used, b.limit_usd - b.spent_usd as "left" from budgets b join keys k on k.key_id = b.key_id where b.spent_usd > b.limit_usd * .5

select metadata ->> 'feature' as feature, metadata #>> '{experiment,arm}' as arm, avg(cost_usd) as avg_cost, count(*) from calls group by 1, 2 order by 1, 2

select feature, sum(cost_usd) from calls, jsonb_to_record(metadata) as m(feature text) group by feature

select tag, count(*) from calls left join lateral unnest(tags) as tag on true group by tag order by count(*) desc

select c.model from calls c where c.tags is null or not (c.tags && array['batch']::text[]) group by c.model

select 'batch' = any (coalesce(tags, '{}')) as is_batch, count(*) from calls group by 'batch' = any (coalesce(tags, '{}'))

select (metadata -> 'scores' ->> 0)::int as first_score, (metadata -> 'scores' -> -1)::int as last_score from calls limit 3

select m.model, m.capabilities, 'vision' = any (m.capabilities) as sees, array_length(m.capabilities, 1) is null as none from models m

select d.day, m.model, coalesce(sum(cd.cost_usd), 0) as usd from generate_series(date '2026-08-01', date '2026-08-07', interval '1 day') as d(day) cross join models m left join costs_daily cd on cd.day = d.day::date and cd.model = m.model group by d.day, m.model order by 1, 2

select day, model, cost_usd, avg(cost_usd) over (partition by model order by day rows between 6 preceding and current row) as ma7, cost_usd - lag(cost_usd, 7) over (partition by model order by day) as wow from costs_daily order by model, day limit 50

select day, sum(cost_usd) as usd, sum(sum(cost_usd)) over w as mtd from costs_daily group by day window w as (partition by date_trunc('month', day) order by day) order by day limit 40

with d as (select day, sum(cost_usd) usd from costs_daily group by day), s as (select avg(usd) a, stddev_pop(usd) s from d) select day, usd from d cross join s where usd > a + 2 * s order by day

select week, this, last, round((this - last) / nullif(last, 0) * 100, 1) as change from (select date_trunc('week', day)::date as week, sum(cost_usd) as this, lag(sum(cost_usd)) over (order by date_trunc('week', day)) as last from costs_daily group by date_trunc('week', day)) w order by week

select provider, model, sum(cost_usd) from costs_daily group by provider, rollup (model) order by provider, model nulls first

select c.customer_id, c.name, sum(o.total) as ltv, count(*) as orders, min(o.ordered_at)::date as first, max(o.ordered_at)::date as last from customers c join orders o on o.customer_id = c.customer_id group by c.customer_id order by ltv desc limit 10

select segment, avg(orders)::numeric(10, 2) from (select c.segment, c.customer_id, count(o.order_id) as orders from customers c left join orders o using (customer_id) group by c.segment, c.customer_id) x group by segment

select country, city, count(*) from customers group by country, city order by country, count(*) desc, city limit 10 offset 0

select profile -> 'address' ->> 'zip' as zip, name from customers where profile ->> 'newsletter' = 'true' and (profile -> 'languages') ? 'de' order by zip desc limit 5

select l.lang, count(*) from customers c cross join lateral jsonb_array_elements_text(c.profile -> 'languages') as l(lang) group by 1

select jsonb_object_keys(profile) as key, count(*) from customers group by 1

select k, count(*) from customers, jsonb_object_keys(profile) as k group by k

select name, attributes ->> 'color' as color from products where attributes @> '{"color": "red"}'::jsonb and 'eco' = any (tags) order by price desc

select attributes ->> 'color' as color, (attributes ->> 'size')::int as size, avg(price) from products group by color, size order by color, size

select category, array_agg(distinct t order by t) from products, unnest(tags) t group by category

select product_id, name, price, price - unit_cost as margin, round((price - unit_cost) / price * 100, 1) as pct, ntile(10) over (order by price) as decile from products where not is_discontinued

select width_bucket(price, min_p, max_p, 5) b, count(*), numrange(min(price), max(price), '[]') as r from products, (select min(price) as min_p, max(price) as max_p from products) mm group by b order by b

select s.referrer, avg(s.seconds) as avg_s, sum(s.pages) pages, count(distinct s.customer_id) users, count(*) filter (where s.pages = 1)::float / count(*) as bounce from web_sessions s group by s.referrer

select device ->> 'os' as os, (device ->> 'tablet')::bool as tablet, count(*), percentile_disc(0.5) within group (order by seconds) from web_sessions group by 1, 2

select set_masklen(address, 28)::cidr as net, count(*) from web_sessions group by 1 order by 2 desc limit 3

select started_at::date as d, extract(hour from started_at) as h, count(*) from web_sessions group by grouping sets ((1, 2), (1)) order by 1, 2 nulls last limit 10

select session_id, started_at, started_at + make_interval(secs => seconds) as ended_at, tstzrange(started_at, started_at + seconds * interval '1 second') as during from web_sessions limit 3

select a.session_id, b.session_id from web_sessions a join web_sessions b on a.session_id < b.session_id and tstzrange(a.started_at, a.started_at + make_interval(secs => a.seconds)) && tstzrange(b.started_at, b.started_at + make_interval(secs => b.seconds)) limit 3

select name, count(*), count(*) * 1.0 / max(count(*)) over () as rel from events group by name order by 2 desc

with steps as (select customer_id, min(at) filter (where name = 'view') as v, min(at) filter (where name = 'cart') as c, min(at) filter (where name = 'purchase') as p from events group by customer_id) select count(v) as viewed, count(c) filter (where c > v) as carted, count(p) filter (where p > c and c > v) as bought from steps

select customer_id, string_agg(name, ' > ' order by at) as journey from events group by customer_id order by length(string_agg(name, ' > ' order by at)) desc limit 3

select journey, count(*) from (select customer_id, array_to_string((array_agg(name order by at))[1:3], ' > ') as journey from events group by customer_id) j group by journey order by 2 desc limit 5

select customer_id, at, name, sum(is_new) over (partition by customer_id order by at) as session_no from (select *, case when at - lag(at) over (partition by customer_id order by at) > interval '30 minutes' or lag(at) over (partition by customer_id order by at) is null then 1 else 0 end as is_new from events) e limit 10

select name, props -> 'utm' ->> 'source' src, sum(value) v, grouping(name), grouping(props -> 'utm' ->> 'source') from events group by cube (name, props -> 'utm' ->> 'source') order by 1, 2

select name, avg(value) from events where event_id % 10 = 0 and random() < 0.9 group by name

select json_value(props, '$.utm.source') as source, json_query(props, '$.items' with wrapper) as items, json_exists(props, '$.ab') as has from events limit 2

select json_value(props, '$.amount' returning numeric default 0 on empty error on error) from events limit 2

select json_object('id' value order_id, 'total' : total absent on null returning jsonb) from orders limit 2

select json_array(1, 'a', null absent on null), json_array(select order_id from orders limit 3), json_objectagg(status : n), json_arrayagg(n order by n desc) from (select status, count(*) n from orders group by 1) s

select payload is json, note is json object, '[1]' is json array with unique keys, 'x' is not json scalar from events, orders limit 1

with recursive n as (select 1 as i union all select i + 1 from n where i < 10), sq as (select i, i * i as s from n) select sum(s) from sq

with recursive bom as (select 1 as part, 1 as qty, '1'::text as path union all select b.part * 2, b.qty * 2, b.path || '.' || (b.part * 2)::text from bom b where b.part < 32) select part, sum(qty) from bom group by part order by part

with recursive months(m) as (values (date '2024-01-01') union all select (m + interval '1 month')::date from months where m < date '2024-12-01') select to_char(m, 'Mon'), count(o.order_id) from months left join orders o on o.ordered_at >= m and o.ordered_at < m + interval '1 month' group by m order by m

with a as (select 1 as id), b as (select * from a), c as (with d as (select id + 1 as id from b) select * from d) select a.id, b.id, c.id from a, b, c

select x.y from (select y from (select 1 as y) as "Inner") as x

select "Inner"."Strange Name" from (select 1 as "Strange Name") as "Inner"

select "o"."total" AS "SELECT" from "public"."orders" as "o" order by "SELECT" limit 1

SELECT O.ORDER_ID, O.Total FROM public.Orders O WHERE O.STATUS = 'paid' ORDER BY O.Order_Id LIMIT 2

select public.orders.total, orders.status from public.orders limit 1

select * from public.orders as o(id, cust) where o.id < 3

select t.* from (table orders) t limit 1

table products

table orders order by order_id desc limit 3

select all status from orders limit 1

select 1 as a, 2 as b, 3 c, 4 "D", 5 as order

select 1 one, count(*) count, max(total) max from orders

select sum(total) total, avg(total) as avg, 'x' as text, 1 as date, 2 as year, 3 as value, 4 as key, 5 as level from orders

select date, month, year from (select ordered_at::date as date, extract(month from ordered_at) as month, extract(year from ordered_at) as year from orders) d limit 1

select day, hour from (select extract(day from at) as day, extract(hour from at) as hour from events) x group by day, hour order by day desc, hour limit 2

select value from (select avg(value) as value from events) v where value > 0

select t.name, t.count from (select name, count(*) from events group by name) t order by t.count desc

select sub.sum, sub.avg, sub.round from (select sum(total), avg(total), round(max(total)) from orders) sub

select q.date_trunc, q.count from (select date_trunc('month', ordered_at), count(*) from orders group by 1) q order by date_trunc

select date_trunc, sum from (select date_trunc('month', ordered_at), sum(total) from orders group by 1) as _ order by sum desc limit 3

select "case", "coalesce", extract, "left" from (select case when true then 1 end, coalesce(1, 2), extract(year from now()), left('abc', 1)) s

select channel as c, count(*) as n from orders group by c having count(*) > 10 order by n desc, c asc nulls first

select upper(status) as status, count(*) from orders group by upper(status) order by status

select order_id % 7 as weekday, sum(total) from orders group by order_id % 7 order by weekday

select total as amount from orders where total > 10 order by amount desc, order_id limit 1

select status || '/' || channel as k, count(*) from orders group by k order by k

select o.status, o.status || '!' as loud from orders o group by o.status order by loud

select max(total) - min(total) from orders having count(*) > 0

select 0x1F, 0b101, 0o17, 1_000_000

select 1.5e10, .5, 5., 1e-3, 123456789012345678901234567890, -9223372036854775808, 'NaN'::float8, 'Infinity'::numeric

select true, false, null, 't'::bool, 'off'::bool, true and null, not null

select 'it''s', E'it\'s', 'back\slash', E'uni\u0041', '', ' '

select b'1010' | b'0101', x'1f' & x'0f', ~ b'1', b'101' << 1, bit_length(b'101'), get_bit(b'101', 1)

select '\xdeadbeef'::bytea || '\x00'::bytea, encode('\xdead', 'hex'), '\xdead'::bytea = decode('dead', 'hex'), convert_from('\x61', 'UTF8')

select interval '1 day 2 hours', '1 year'::interval, 'P1Y2M3DT4H5M6S'::interval, interval '-1 day ago', interval '2' hour, interval '1 12:00' day to hour, extract(epoch from interval '1 day')

select timestamp '2026-01-01 12:00', timestamptz '2026-01-01 12:00+02', date 'epoch', time '04:05', 'tomorrow'::date > 'today'::date, '20260101'::date, 'Jan 8, 2026'::date, '2026-W05-1' is not null

select now()::date, now()::time(0), (now() at time zone 'utc')::date, date_trunc('month', now()) + interval '1 month - 1 day', extract(days from date_trunc('month', now()) + interval '1 month - 1 day')

select extract(century from d), extract(decade from d), extract(dow from d), extract(isoyear from d), extract(julian from d), extract(microseconds from t), extract(milliseconds from t), extract(minute from t), extract(second from t), extract(timezone from z), extract(timezone_hour from z) from (select date '2026-05-04' d, time '01:02:03.456' t, timestamptz '2026-01-01' z) x

select count(*) filter (where ordered_at >= date_trunc('quarter', current_date)), count(*) filter (where ordered_at >= current_date - interval '1 year') from orders

select order_id from orders where ordered_at between '2024-03-01' and '2024-03-31 23:59:59' and ordered_at::date <> '2024-03-15' and date_part('dow', ordered_at) not in (0, 6)

select order_id from orders where ordered_at >= date_trunc('month', timestamp '2024-05-17') and ordered_at < date_trunc('month', timestamp '2024-05-17') + '1 month'

select order_id, delivered_at - ordered_at as took, extract(day from delivered_at - ordered_at) as days, delivered_at::date - ordered_at::date as calendar, age(delivered_at, ordered_at) from orders where delivered_at is not null limit 3

select avg(delivered_at - ordered_at), sum(delivered_at - shipped_at), max(delivered_at - ordered_at) > interval '5 days', avg(extract(epoch from delivered_at - ordered_at)) / 86400 from orders

select to_char(ordered_at, 'Day'), to_char(ordered_at, 'FMMonth YYYY'), to_char(ordered_at, 'IYYY-IW'), to_char(ordered_at, 'Q'), to_char(ordered_at, 'HH12:MI AM'), to_char(interval '25 hours', 'HH24:MI') from orders limit 1

select to_char(sum(total), 'L999,999,990.00'), to_char(0.123, '990.9%'), to_char(12, 'RN'), to_char(-5, '999PR') from orders

select count(*), count(note), count(*) - count(note) as nulls, count(distinct coupon) from orders

select sum(total) filter (where status = 'paid') / nullif(sum(total), 0) as share, avg(nullif(discount, 0)), coalesce(max(note), 'n/a') from orders

select channel, array_agg(total order by total desc) filter (where total > 300) as big, (array_agg(order_id order by total desc))[1] as best from orders group by channel

select channel, (array_agg(total order by ordered_at))[1:3], cardinality(array_agg(distinct status)) from orders group by channel

select array_agg(row(order_id, total)) is not null, array_agg(array[order_id, customer_id]) is not null from orders

select (select array_agg(x order by x desc) from unnest(array[3, 1, 2]) x), array(select x * 2 from generate_series(1, 3) as x), array_to_json(array[1, 2]), array_ndims(array[[1], [2]])

select x, y from unnest(array[1, 2, 3]) x cross join unnest(array['a', 'b']) y where x <> 2 order by x, y

select n, chr(64 + n), repeat('*', n) from generate_series(1, 5) as t(n)

select gs.i, gs.i * 10 as ten from generate_series(1, 3) gs(i)

select generate_series from generate_series(1, 3)

select s.generate_series as n from (select generate_series(1, 3)) s

select a.*, b.* from generate_series(1, 2) a, generate_series(a, 3) b

select g, h from generate_series(1, 3) g left join lateral generate_series(g, 3) h on h > g

select d::date as day, case when extract(isodow from d) < 6 then 'weekday' else 'weekend' end from generate_series(current_date - 6, current_date, '1 day') d

select ts, ts + interval '1 hour' as next from generate_series(timestamptz '2026-01-01 00:00+00', timestamptz '2026-01-01 05:00+00', interval '1 hour') ts

select f.i, s.word from generate_subscripts(array['x', 'y'], 1) as f(i) join lateral (select (array['x', 'y'])[f.i] as word) s on true

select key, value from json_each('{"a": 1, "b": [2]}')

select j.key, j.value ->> 0 from jsonb_each('{"a": [1], "b": [2]}') as j where j.key > 'a'

select k, v from jsonb_each_text('{"a": 1, "b": 2}') as t(k, v)

select value ->> 'id' as id, ordinality from jsonb_array_elements('[{"id": 1}, {"id": 2}]') with ordinality

select elem ->> 'id' as id from jsonb_array_elements('[{"id": 1}]') as elem

select elem.value -> 'id' from json_array_elements('[{"id": 1}]') as elem

select e.props -> 'items' -> 0, (e.props -> 'items' ->> 1)::int + 1, e.props -> 'missing' is null from events e limit 1

select jsonb_path_query('{"a": [1, 2, 3]}', '$.a[*] ? (@ >= $x)', '{"x": 2}'), '{"a": 1}'::jsonb @? '$.a', jsonb_path_match('{"a": 1}', '$.a == 1'), '$.a.b[*].size()'::jsonpath

select jsonb_insert('{"a": [1]}', '{a,0}', '0', true), jsonb_set_lax('{"a": 1}', '{a}', null, true, 'delete_key'), jsonb '{"a": 1}' || '{"b": 2}', jsonb '[1, 2]' - 0, jsonb '{"a": {"b": 1}}' #- '{a,b}', '{"a": 1}'::jsonb = '{"a":1}', '[1]'::jsonb <@ '[1, 2]'

select to_json(now()) is not null, to_jsonb('x'::text), to_jsonb(array[1, 2]), json_build_array(1, 'a', true, null), jsonb_build_object('k', json_build_object('n', 1)), json_strip_nulls('{"a": null}'), row_to_json(row(1, 'x'))

select json_extract_path(payload, 'arr', '0'), json_extract_path_text(payload, 'k'), jsonb_extract_path_text(props, 'utm', 'source') from events limit 1

select sum((i)::int) from events, jsonb_array_elements(props -> 'items') i

select max((item #>> '{}')::numeric) from events cross join lateral jsonb_array_elements(props -> 'items') as item

select event_id, (select sum(x::int) from jsonb_array_elements_text(props -> 'items') x) as total from events limit 5

select lower('[1,5)'::int4range), '[2026-01-01,)'::daterange @> current_date, int8range(1, 5, '(]'), tsrange('2026-01-01', '2026-02-01') && tsrange('2026-01-15', null), 'empty'::int4range = int4range(1, 1), range_merge('[1,2)'::int4range, '[5,6)')

select datemultirange(daterange('2026-01-01', '2026-01-05'), daterange('2026-02-01', '2026-02-05')) - datemultirange(daterange('2026-01-03', '2026-02-03')), tstzmultirange(during) from events limit 1

select r, upper(r) - lower(r) as len from (select unnest(range_agg(during)) as r from events where event_id < 10) q

select during * tstzrange('2026-09-01', '2026-09-02'), during - tstzrange('2026-09-01 01:00', null), during -|- tstzrange(upper(during), null), during << tstzrange('2030-01-01', null), during &> tstzrange('2020-01-01', null) from events limit 1

select c.model, c.cost_usd from calls as c where c.at >= '2026-08-01' and c.at < '2026-09-01' order by c.cost_usd desc nulls last limit 10;

select count(*) from calls where error_code ilike any (array['%timeout%', '%limit%'])

select model from calls where model like any ('{gpt%,claude%}') group by model

select model from calls where model not like all (array['x%', 'y%']) group by 1

select name from customers where name ~ any (array['1$', '2$'])

select * from orders where status in ('paid', 'shipped') and channel not in (select channel from orders where total > 10000) and total not between 10 and 20 limit 3

select * from orders o where o.total = (select max(i.total) from orders i where i.customer_id = o.customer_id) order by total desc limit 3

select * from customers c where (select count(*) from orders where customer_id = c.customer_id) >= 5 limit 2

select (select name from customers where customer_id = o.customer_id), sum(total) from orders o group by customer_id order by 2 desc limit 3

select order_id, exists (select 1 from order_items i where i.order_id = o.order_id and i.quantity > 4) as bulky from orders o limit 3

select status, (count(*) > 100)::text as many, (avg(total) > 200)::int from orders group by status

select sum((status = 'paid')::int) as paid, avg((status = 'returned')::int) as return_rate from orders

select cast(avg(total) as decimal(10, 2)), cast(ordered_at as date), cast('{1,2}' as int[]), cast(null as text), cast(row(1, 2) as text) from orders group by ordered_at limit 1

select total::int::text || '€', total::money, (total * 100)::bigint, total::float8::numeric, -total::int, (-total)::int from orders limit 1

select '2026-01-01'::timestamp with time zone, '10:00'::time without time zone, 'a'::character varying(5), 'b'::char, '1'::dec(5, 2), '1.5'::double precision, 'x'::"char", 'n'::name, '{a,b}'::text[], '{{1,2}}'::int[][], 'a'::text collate "C"

select character varying 'x', national character varying(3) 'abc', bit varying(3) '101', timestamp without time zone '2026-01-01', float(20) '1.5', numeric(5) '3'

select int4 '1' + int8 '2', pg_catalog.lower('A'), pg_catalog.count(*), pg_catalog.now() is not null, 1 operator(pg_catalog.+) 2, 'a'::pg_catalog.text from orders

select coalesce(nullif(trim(note), ''), coupon, 'none') as why, count(*) from orders group by 1

select greatest(total, 100, discount * 1000), least(ordered_at, shipped_at, delivered_at) from orders limit 2

select case when exists (select 1 from orders where total > 400) then 'yes' else 'no' end

select case when channel = 'web' then case when total > 100 then 'big web' else 'web' end when channel is null then '?' else initcap(channel) end as c, count(*) from orders group by 1

select count(case when status = 'paid' then 1 end) as paid, sum(case when currency = 'USD' then total / 1.1 end) as usd from orders

select distinct on (channel) channel, first_value(total) over (partition by channel order by total) from orders

select distinct on (1) channel, total from orders order by 1, 2 desc

select distinct on (c) channel as c, total from orders order by c, total

select distinct (channel), status from orders limit 2

select count(distinct date_trunc('day', ordered_at)) as active_days, count(distinct (customer_id, channel)) from orders

select channel, count(*) over () as all_rows, count(*) from orders group by channel order by count(*) over (), channel

select channel, sum(total) s, rank() over (order by sum(total) desc) r, sum(sum(total)) over () from orders group by channel

select order_id, total, avg(total) over w1 as a, sum(total) over w2 as b, row_number() over (w1 rows 2 preceding) from orders window w1 as (partition by channel order by ordered_at), w2 as (w1 rows between 1 preceding and 1 following) limit 3

select order_id, sum(total) over (order by ordered_at range between '7 days' preceding and '1 day' following) from orders limit 3

select order_id, sum(total) over (order by order_id range between 10 preceding and 5 following) from orders limit 3

select order_id, count(*) filter (where total > 100) over (partition by channel order by ordered_at rows between unbounded preceding and 1 preceding) from orders limit 3

select order_id, string_agg(status, ',') over (order by order_id rows 2 preceding), array_agg(total) over (order by order_id rows 1 preceding), percent_rank() over (order by total) from orders limit 3

select order_id, lag(status) over (order by order_id), lead(status, 1, 'end'::text) over (order by order_id), nth_value(total, 3) over (order by order_id rows between unbounded preceding and unbounded following) from orders limit 3

select x.channel, x.status, x.n from (select channel, status, count(*) as n, row_number() over (partition by channel order by count(*) desc) as rn from orders group by channel, status) x where x.rn <= 2

select o1.order_id, o1.total, (select count(*) from orders o2 where o2.total > o1.total) + 1 as rank from orders o1 order by rank limit 3

select grouping(channel) || '-' || grouping(status) as g, channel, status, count(*) from orders group by grouping sets ((channel, status), (channel), (status), ()) having count(*) > 5

select channel, status, sum(total) from orders group by distinct rollup (channel, status), rollup (channel, currency) order by 1, 2

select date_trunc('year', ordered_at) y, date_trunc('month', ordered_at) m, sum(total) from orders group by rollup (1, 2) order by 1, 2

select coalesce(to_char(date_trunc('month', ordered_at), 'YYYY-MM'), 'total'), sum(total) from orders group by rollup (date_trunc('month', ordered_at)) order by 1

select country, null as city, count(*) from customers group by country union all select null, city, count(*) from customers group by city order by 1 nulls first, 3 desc

select 'orders' as t, count(*) from orders union all select 'customers', count(*) from customers union all select 'products', count(*) from products order by 2 desc

select id, src from (select order_id as id, 'o' as src from orders union select customer_id, 'c' from customers) as u(id, src) where id < 3 order by id, src

select customer_id from orders union distinct select customer_id from customers order by customer_id limit 3

(select order_id from orders limit 2) union all (select product_id from products limit 2) limit 3

((select 1 as a) union (select 2)) except (select 2) order by a

select a, b from (values (1, 'x')) t(a, b) union all values (2, 'y'), (3, 'z') order by a

with u as ((select 1 as n limit 1) union all select 2) select sum(n) from u

select * from (select * from (select * from orders where total > 50) a where channel = 'web') b where status = 'paid' limit 1

select * from orders as o join lateral (select count(*) as n from order_items i where i.order_id = o.order_id) l on l.n > 1 limit 1

select o.order_id, l1.n, l2.m from orders o, lateral (select count(*) as n from order_items where order_id = o.order_id) l1, lateral (select l1.n * 2 as m) l2 limit 2

select c.name, agg.* from customers c join lateral (select count(*) as n, sum(total) as s, max(ordered_at) as last from orders where customer_id = c.customer_id) as agg on true order by agg.s desc nulls last limit 3

select v.* from orders o cross join lateral (values (o.total, 'total'), (o.discount, 'discount')) as v(amount, kind) limit 4

select o.order_id, x.* from orders o cross join lateral jsonb_each_text(jsonb_build_object('status', o.status, 'channel', o.channel)) x limit 4

select * from orders o join customers c on (o.customer_id = c.customer_id) join order_items i on (i.order_id = o.order_id) join products p on (p.product_id = i.product_id) limit 1

select o.order_id from orders o join (customers c join web_sessions s on s.customer_id = c.customer_id) on o.customer_id = c.customer_id limit 1

select c.name, o.total from customers c left join orders o on o.customer_id = c.customer_id and o.total > 390 where o.order_id is null limit 2

select a.name, b.name from customers a full join customers b on a.referred_by = b.customer_id where a.customer_id is null or b.customer_id is null limit 2

select * from customers natural left join orders limit 1

select * from (select customer_id, name from customers) a natural join (select customer_id, total from orders) b limit 1

select customer_id, count(*) from orders join customers using (customer_id) join web_sessions using (customer_id) group by customer_id limit 1

select c.*, o.total as order_total from customers c, orders o where o.customer_id = c.customer_id limit 1

select o.*, o.total * 1.2 as gross from orders o order by gross desc limit 1

select *, total * 0.2 as vat, row_number() over () from orders limit 1

select orders.order_id, orders.* from orders limit 1

select count(*) from (select distinct customer_id, channel from orders) as x

select count(*) from orders, products

select exists (select from orders), (select 1), array(select 1), 1 in (select 1), 1 = any (select 1), 1 < all (select 2), (1, 2) = (select 1, 2), not exists (select 1 where false)

select row(1, 2) = row(1, 2), (1, 2) in ((1, 2), (3, 4)), (1, 'a') is null, (null, null) is null, row(1, null) is not null, (1, 2) is distinct from (1, 3), (1, 2) between (0, 0) and (2, 2)

select 1 = 1 is true, (null = 1) is unknown, null is not true, 2 is distinct from null, not 1 > 2, 1 <> 2, 1 != 2

select 'a' < 'b', 'a' || 'b' || 1, 'abc' like '_b_', 'abc' not like '%z', 'ABC' ilike 'abc', 'abc' similar to '(a|b)%', 'abc' not similar to 'x', 'abc' ~ '^a.c$', 'abc' ~* 'B', 'abc' !~ 'z', 'a_c' like 'a\_c', 'a%c' like 'a!%c' escape '!'

select substring('hello' from 2 for 3), substring('hello' for 2), substring('hello' from '[aeiou]'), substr('hello', 2), overlay('abcdef' placing 'ZZ' from 3), position('l' in 'hello'), trim('  x '), trim(trailing 'x' from 'axx'), char_length('é'), left('abc', 2) || right('abc', 1), to_hex(10), md5('a') = md5('a'), concat_ws(',', variadic array['a', 'b'])

select format('%s', 1), format('%2$s %1$s', 'a', 'b'), format('%L', 'it''s'), format('%%'), format('Hello %-8s|', 'x')

select regexp_replace('foobarbaz', 'b(..)', 'X\1Y', 'g'), regexp_match('abc123', '([a-z]+)(\d+)'), (regexp_matches('a1b2', '\d', 'g'))[1], regexp_split_to_array('a,b;c', '[,;]'), 'foo' ~ '(?i)FOO', regexp_replace('Aa', 'a', '', 'gi')

select unnest(string_to_array('a,b', ',')) as part, regexp_split_to_table('x y', ' ')

select p.part, p.nr from string_to_table('a|b|c', '|') with ordinality as p(part, nr)

select split_part(email, '@', 2) as domain, count(*) from customers group by domain order by count desc, domain limit 3

select left(name, 1) as initial, count(*) from customers group by 1 order by 1

select lower(trim(both from name)) || ' <' || email || '>' as contact from customers where email is not null and length(email) > 3 limit 1

select ascii('a'), chr(97), initcap('o''neil'), repeat('-', 10), reverse('abc'), translate('abc', 'ab', 'xy'), lpad('5', 2, '0'), rpad('x', 3), btrim('  x '), quote_literal(42), quote_nullable(null), encode('abc', 'base64'), encode('abc'::bytea, 'escape')

select round(avg(total), 2), round(avg(total)), round(123.456, -1), trunc(-1.5), ceil(total / 7) from orders group by total limit 1

select sum(total)::bigint % 7, mod(order_id, 2) = 0 as even, count(*) from orders group by order_id limit 1

select exp(sum(ln(total))) ^ (1.0 / count(*)) as geometric from orders where total > 0

select regr_slope(total, extract(epoch from ordered_at)), regr_intercept(total, order_id), regr_r2(total, order_id), corr(total, discount), regr_avgx(total, order_id), regr_sxx(total, order_id), covar_samp(total, discount) from orders

select channel, corr(total::float8, discount::float8) from orders group by channel having count(*) > 10

select channel, percentile_cont(array[0.1, 0.5, 0.9]) within group (order by total) as p, (percentile_cont(array[0.1, 0.5]) within group (order by total))[1] as p10 from orders group by channel

select unnest(array[0.25, 0.5, 0.75]) as q, unnest(percentile_cont(array[0.25, 0.5, 0.75]) within group (order by total)) as v from orders

select percentile_disc(array[0.5]) within group (order by channel collate "C"), mode() within group (order by status) as usual, mode() within group (order by date_part('dow', ordered_at)) from orders

select max(total) filter (where ordered_at < '2025-01-01'), min(total) filter (where not (total between 20 and 30) and note is not null), avg(distinct total) from orders

select json_agg(total order by total desc nulls last) filter (where total > 400), jsonb_agg(distinct channel), string_agg(distinct channel, ', '), array_agg(distinct status order by status desc) from orders

select jsonb_build_object('by_channel', jsonb_object_agg(channel, s), 'all', sum(s)) from (select channel, sum(total) s from orders group by channel) x

select jsonb_agg(jsonb_build_object('c', channel, 'n', n) order by n desc) from (select channel, count(*) n from orders group by 1) x

select to_jsonb(x.*) from (select 1 as a, 'b' as b) x

select max(c) from (select count(*) as c from orders group by channel) c

select c from (select count(*) as c from orders group by channel) c order by c

select distinct t.* from (select channel, status from orders) t

select array_agg(t) from (select order_id, total from orders limit 2) t

select jsonb_path_query_array(jsonb_agg(t), '$[*].total') from (select order_id, total from orders limit 2) t

select o.order_id, to_jsonb(c) - 'email' as customer from orders o join lateral (select name, country from customers where customer_id = o.customer_id) c on true limit 2

select hashtext(email) % 10 as shard, count(*) from customers group by 1

select md5(customer_id::text || 'salt') as anon, left(encode(sha256(email::bytea), 'hex'), 12) as h from customers limit 2

select gen_random_uuid() is not null, random() between 0 and 1, (random() * 10)::int < 11, md5(random()::text) is not null

select order_id from orders order by random() limit 3

select order_id from orders order by md5(order_id::text) limit 3

select order_id from orders order by case status when 'paid' then 1 when 'shipped' then 2 else 3 end, total desc limit 3

select order_id, total from orders order by (total > 200) desc, 2, order_id limit 3

select order_id from orders order by (select name from customers c where c.customer_id = orders.customer_id), 1 limit 2

select status, count(*) from orders group by status order by max(total) - min(total) desc

select sum(total) from orders group by channel order by channel

select channel, max(total) from orders where total < (select percentile_cont(0.9) within group (order by total) from orders) group by channel

with big as (select * from orders where total > 300), per as (select customer_id, count(*) n from big group by 1) select c.name, per.n from per join customers c using (customer_id) order by n desc, name limit 3

with t(a, b, c) as (values (1, 2, 3)), u as (select a + b + c as s, * from t) select s, a, b, c from u

with w as (select now() as ts) select (select ts from w) = ts from w

with x as (select 1 as a union all select 2), y as (select a, sum(a) over (order by a) as s from x) select * from y order by a desc

with orders as (select * from orders where status = 'paid') select count(*) from orders

with recursive a as (select 1 as n), b as (select n + 1 as n from a union all select n + 1 from b where n < 3) select * from b

with recursive paths(node, path, cost) as (select 1, array[1], 0::numeric union all select p.node + s.step, p.path || (p.node + s.step), p.cost + s.step * 1.5 from paths p, (values (1), (2)) s(step) where p.node < 5 and not (p.node + s.step) = any (p.path)) select * from paths where node = 5 order by cost limit 3

with recursive r as (select date '2026-01-01' as d, 100.0 as balance union all select d + 1, round(balance * 1.001, 4) from r where d < date '2026-01-10') select * from r

select substring(name, '\d+')::int as n, name from customers order by n desc limit 2

select sku, regexp_replace(sku, '\D', '', 'g')::int as nr from products where sku ~ '^SKU-\d{4}$' order by nr limit 2

select note, note ilike '%RING%' as rings, strpos(note, ';') as semicolon, '; drop table orders; --' as text from orders where note like '%;%' limit 1

select 'insert into x values (1)' as sql, 'delete from orders' as "update", 1 as "drop table" -- delete from orders

select "status" as "delete", count(*) as "insert" from orders group by "status"

select created_at, updated_at from (select now() as created_at, now() as updated_at) "set" where true

select u.name as user_name, u.email as "user" from customers u limit 1

select cte.copy from (select 1 as copy) cte

select t.grant, t.lock, t.do from (select 1 as "grant", 2 as "lock", 3 as "do") t

SELECT
    DATE_TRUNC('month', o.ordered_at) AS "Month",
    COUNT(DISTINCT o.customer_id)     AS "Customers",
    SUM(o.total)                      AS "Revenue"   -- in euros
FROM orders AS o
    INNER JOIN customers AS c
        ON c.customer_id = o.customer_id
WHERE 1=1
    AND c.is_active
    AND o.status NOT IN ('cancelled', 'returned')
GROUP BY 1
HAVING SUM(o.total) > 1000
ORDER BY "Month" DESC
LIMIT 12;

/* leading comment */ select 1; -- trailing

-- first line
-- second line
select 2 /* inline */ + /* /* nested */ */ 3;

select 1;;

( select 1 )

(((select 1) union all (select 2)))

select (((((((((1)))))))))

select 1 where 1 = 1 and (2 = 2 or (3 = 3 and (4 = 4 or (5 = 5 and (6 = 6)))))

select current_date - date '2026-01-01' as days, date_part('year', current_date)::int, current_date + time '10:00', current_timestamp::date, localtimestamp(0)::time, date 'today' - 1

select * from costs_daily where day >= date_trunc('month', current_date - interval '1 month') and day < date_trunc('month', current_date)

select date_trunc('month', day) m, sum(cost_usd) c, sum(cost_usd) / extract(day from date_trunc('month', day) + interval '1 month' - interval '1 day') as per_day from costs_daily group by date_trunc('month', day) order by m

select sum(cost_usd) * 30 / greatest(count(distinct day), 1) as projected from costs_daily where day > (select max(day) - 7 from costs_daily)

select owner, string_agg(distinct key_name, ', ' order by key_name), sum(cost_usd)::numeric(12, 4), to_char(sum(cost_usd), 'FM$999,990.00') from costs_daily group by owner order by 3 desc nulls last

select is_stream, avg(first_token_ms) ttft, avg(latency_ms - first_token_ms) rest, avg(output_tokens / nullif((latency_ms - first_token_ms) / 1000.0, 0)) tps from calls where is_stream group by is_stream

select model, count(*) filter (where status = 'failed') * 100.0 / count(*) as error_rate, count(*) filter (where error_code = 'upstream-timeout') as timeouts from calls group by model order by error_rate desc

select date_bin('5 minutes', at, 'epoch') as slot, max(latency_ms) from calls group by slot order by slot desc limit 3

select width_bucket(latency_ms, 0, 5000, 20) * 250 as ms, count(*), repeat('#', least((count(*) / 5)::int, 50)) as bar from calls group by 1 order by 1

select extract(isodow from at) dow, extract(hour from at) h, count(*), round(avg(cost_usd), 6) from calls group by cube (1, 2) order by 1, 2 limit 3

select k.name, k.created_at, k.expires_at, k.expires_at - now() < interval '30 days' as soon, coalesce(k.revoked_at, 'infinity') > now() as live, array_to_string(k.scopes, '+'), 'chat' = any (k.scopes) from keys k where k.last_used_at < now() - interval '1 day' or k.last_used_at is null

select b.key_id, b.period, b.valid_during, lower(b.valid_during), current_date <@ b.valid_during from budgets b where b.valid_during && daterange('2026-01-01', '2026-06-30') order by b.limit_usd - b.spent_usd

select team, model, sum(cost_usd) from calls join keys using (key_id) group by cube (team, model) order by team nulls last, model nulls last

select k.team, c.month, c.usd, c.usd - lag(c.usd) over (partition by k.team order by c.month) as diff from (select key_id, date_trunc('month', at) as month, sum(cost_usd) as usd from calls group by 1, 2) c join keys k using (key_id) limit 3

select a.model as a, b.model as b, a.usd - b.usd as diff from (select model, sum(cost_usd) usd from calls group by 1) a cross join (select model, sum(cost_usd) usd from calls group by 1) b where a.model < b.model

select array_agg(distinct model) filter (where cost_usd > 0) @> array['gpt-4o'], max(array_length(tags, 1)), bool_or('ui' = any (tags)) from calls

select count(*) from calls c join models m using (model) where c.cost_usd > m.output_usd_per_mtok / 1e6 * c.output_tokens and m.released > '2024-01-01'

select m.model, m.context_tokens, max(c.input_tokens) as biggest, max(c.input_tokens) * 100 / m.context_tokens || '%' as fill from models m left join calls c on c.model = m.model group by m.model

select point(1, 2) <-> point(4, 6) as distance

select '(1,2)'::point, box '((0,0),(1,1))' @> point '(0.5,0.5)', area(circle '((0,0),2)')

select tsq from to_tsquery('a') tsq

select to_tsquery('a') && to_tsquery('b'), to_tsquery('a') || to_tsquery('b'), !! to_tsquery('c'), to_tsquery('big') <-> to_tsquery('cat'), to_tsvector('a b') || to_tsvector('c'), 'a:1 b:2'::tsvector @@ 'a & b'::tsquery

select to_tsvector('simple', coalesce(name, '')) @@ websearch_to_tsquery('simple', 'customer or "x y" -z') from customers limit 1

select x from unnest((select array_agg(total) from orders where order_id < 4)) x

select x.total from unnest((select array_agg(total) from orders where order_id < 4)) as x(total)

select 1 in (values (1), (2)), 1 = any (values (1), (2)), array(values (1), (2)), exists (values (1)), (values (7))

select order_id from orders where status in (values ('paid'), ('shipped')) limit 2

with x as (table orders), y as (select * from x where total > 10) select count(*) from y

select date '2024-01-01' + 7 * generate_series(0, 3) as week

select jsonb_array_elements(props -> 'items')::int + 1 as i from events limit 3

select props->'utm'->>'source' as s,props->>'ab' from events where props->'utm'->>'source'='google' and props->>'x' is null limit 1

select jsonb_path_query(props, '$.when.datetime()') from events limit 1

select jsonb_path_query_tz('["2026-01-01T00:00:00+00"]', '$[*].datetime() ? (@ < "2027-01-01".datetime())')

select kv.* from events, jsonb_each(props) kv limit 2

select kv.key, count(*) from events, jsonb_each(props) kv group by kv.key

select public.orders.* from public.orders limit 1

select j.* from (orders natural join order_items) as j limit 1

select j.a, j.b from (orders o join order_items i on i.order_id = o.order_id) as j (a, b) limit 1

select u.* from orders join order_items using (order_id) as u limit 1

select extract('year' from now()), extract(year from date '2026-01-01')::text, date_part('month', now())::int

select cast('2026-01-01' as timestamp(3) with time zone), '1,2'::varchar(10), '{a}'::varchar(10)[], now()::timestamptz(3), interval '1' day::text, interval(2) '1 second', cast('1 day' as interval day to second), '5 days'::interval day

select count(*) filter (where note is null)::float / nullif(count(*), 0)::float as r, percentile_cont(0.5) within group (order by total)::numeric(10,2) as m from orders

select 'x' as "a", 'y' as "A", 1 as "1", 2 as "with space", 3 as "quo""te", 4 as "ünï" 

select max(case when rn = 1 then status end) as first, max(case when rn = 2 then status end) as second from (select status, row_number() over (order by count(*) desc) rn from orders group by status) s

select o.order_id, o.total, t.tier from orders o cross join lateral (select case when o.total > 300 then 'gold' when o.total > 150 then 'silver' else 'bronze' end as tier) t limit 3

select t.tier, count(*) from orders, lateral (select case when total > 300 then 'gold' else 'rest' end) as t(tier) group by t.tier

select order_id, ordered_at, ordered_at::date - date '2024-01-01' as n, make_interval(months => (order_id % 3)::int) as i, ordered_at + (order_id % 3) * interval '1 month' as later from orders limit 2

select (string_to_array('a,b,c', ','))[2], (regexp_split_to_array('a b', ' '))[1], (array_agg(order_id))[1] from orders

select count(*), name from customers c where not exists (select null from orders where orders.customer_id = c.customer_id) group by name order by name limit 2

select to_char(to_date('2026-02', 'YYYY-MM'), 'TMMonth'), to_char(1e6, '9.99EEEE'), to_char(485, '"Good number:"999')

select * from (select channel, sum(total) as total from orders group by channel) a full outer join (select currency as channel, count(*) as n from orders group by currency) b using (channel) order by channel

select a.channel, b.status from (select distinct channel from orders) a cross join (select distinct status from orders) b order by 1, 2

select repeat('█', (count(*) / 10)::int) as bar, status from orders group by status

select lpad('', (total / 20)::int, '#') as bar from orders limit 2

select repeat(' ', depth * 2) || name from (select name, 1 as depth from employees) e limit 2

select rpad(name, greatest(length(name), 12), '.') || to_char(price, '990.99') from products limit 2

select mode() within group (order by channel), (select channel from orders group by channel order by count(*) desc limit 1) from orders

select sum(total) - lag(sum(total)) over (order by date_trunc('month', ordered_at)) as diff, date_trunc('month', ordered_at) as m from orders group by m order by m

select round((100 * sum(case when status = 'returned' then 1 else 0 end)::numeric / count(*)), 2) || ' %' as r from orders

select round(avg(total)::numeric, 2), round(cast(avg(total) as numeric), 1), cast(round(avg(total)) as int) from orders

select coalesce(lag(total) over w, 0), coalesce(first_value(total) over w, 0), (sum(total) over w)::int / 2 from orders window w as (order by order_id) limit 2

select date_trunc('month', ordered_at) as month, channel, sum(total) as total from orders group by month, channel having sum(total) > 100 order by month, total desc

select extract(year from ordered_at) as year, extract(month from ordered_at) as month, count(*) as orders from orders group by year, month order by year, month

select o.channel channel, count(distinct o.customer_id) customers, sum(i.quantity) units from orders o, order_items i where o.order_id = i.order_id group by o.channel order by units desc

select customers.name, orders.total from customers join orders on orders.customer_id = customers.customer_id and orders.status = 'paid' where customers.country = 'DE' order by orders.total desc limit 3

select count(*) from orders where ordered_at > now() - interval '10 years' and extract(hour from ordered_at) between 9 and 17 and note not ilike '%test%'

select array_agg(distinct country order by country) as c, array_length(array_agg(distinct country), 1) as n, string_agg(distinct country, ',' order by country) from customers

select name, rank() over (order by price desc nulls last, name), sum(price) over (), price / sum(price) over () * 100, count(*) over (partition by category), avg(price) over (partition by category rows between unbounded preceding and unbounded following) from products limit 2

select x.cat, x.n from (select category cat, count(*) n from products group by 1 union all select 'all', count(*) from products) x order by x.n desc

select p1.name, p2.name from products p1 inner join products p2 on p1.category = p2.category and p1.product_id < p2.product_id and abs(p1.price - p2.price) < 20 limit 2

select category, min(price), max(price), avg(price), sum(price), count(*), stddev(price), variance(price), bool_or(is_discontinued), every(price > 0), min(added_on), max(added_on) from products group by category

with recursive s as (select 1 as lvl, employee_id, name::text as path from employees where manager_id is null union all select s.lvl + 1, e.employee_id, s.path || ' > ' || e.name from s join employees e on e.manager_id = s.employee_id) select lvl, lpad(' ', 2 * lvl) || path from s order by path limit 3

with w as (select generate_series(1, 3) as n), c as (select w.n, count(o.order_id) filter (where o.order_id % w.n = 0) as hits from w cross join orders o group by w.n) select * from c order by n

select sum(n) from (select count(*) as n from orders union all select count(*) from customers)

select * from (select 1 as a) natural join (select 1 as a, 2 as b)

select a.n as n1, b.n as n2 from (select generate_series(1, 2) as n) a, (select generate_series(1, 2)) as b(n)

select first.n from (values (1)) as first(n) where first.n in (select second.n from (values (1)) as second(n))

select percentile_disc(0.5) within group (order by d) from (select delivered_at - shipped_at as d from orders) q

select date_part('epoch', delivered_at - ordered_at) / 3600 h, width_bucket(date_part('epoch', delivered_at - ordered_at), 0, 864000, 5) from orders limit 2

select to_timestamp(extract(epoch from at) - extract(epoch from at)::bigint % 900) as slot, count(*) from events group by slot order by slot limit 2

select to_timestamp(floor(extract(epoch from at) / 300) * 300) at time zone 'UTC' as five, avg(value) from events group by 1 order by 1 limit 2

select to_tsvector('english', coalesce(note, '')) @@ 'ring'::tsquery as hit, count(*) from orders group by 1

select string_agg(format('%s=%s', status, n), '; ' order by n) from (select status, count(*) n from orders group by 1) s

select count(*) from orders where (ordered_at, shipped_at) overlaps (timestamp '2024-02-01', interval '1 month')

select bool_and(total >= 0) and count(*) > 10 as healthy, case when bool_or(note is null) then 'gaps' end from orders

select case when grouping(channel) = 1 then 'total' else channel end as channel, count(*) from orders group by grouping sets (channel, ()) order by grouping(channel), channel

select greatest(max(ordered_at), max(shipped_at), max(delivered_at))::date as last from orders

select (current_date - max(ordered_at)::date) as days, now() - max(ordered_at) > interval '1 day' as stale from orders

select (extract(epoch from now() - max(at)) / 86400)::int as d, justify_interval(now() - max(at)) is not null from events

select order_id, (note is not null)::int + (coupon is not null)::int as extras, note is null or coupon is null as some from orders limit 2

select t.a + t.b as c from (values (1, 2), (3, 4)) as t (a, b) where (t.a, t.b) not in (select 3, 4)

select n from generate_series(1, 100) n where n % 15 = 0 or n::text ~ '^9' order by n desc

select (n % 2 = 0)::text as even, sum(n), array_agg(n order by n) from generate_series(1, 6) as n group by n % 2 = 0

select s.a, array_agg(s.b) from (select unnest(array[1, 1, 2]) as a, unnest(array['x', 'y', 'z']) as b) s group by s.a

select v.x, avg(v.y) over (order by v.x rows between 1 preceding and 1 following) from (values (1, 10.0), (2, 20.0), (3, 60.0)) v(x, y)

select c.customer_id, c.profile->'address'->>'zip' zip, jsonb_array_length(c.profile->'languages') langs from customers c where c.profile @> '{"newsletter": true}' and c.profile->'languages' ? 'en' and jsonb_path_exists(c.profile, '$.languages[*] ? (@ == "de")') limit 2

select device->>'os' os, count(*) filter (where (device->>'tablet')::boolean) tablets, round(avg(pages), 1) pages from web_sessions group by device->>'os' order by tablets desc

select encode(digest, 'hex') from (select sha256('a'::bytea) as digest) s

select case when id is null then 'x' end, id from (values (null::int), (1)) v(id)

select overlay(email placing '***' from 2 for 3), regexp_replace(email, '(.).+@', '\1***@') from customers limit 1

select category, percent_rank() over (partition by category order by price), cume_dist() over (partition by category order by price), ntile(3) over (order by price) from products order by 1, 2 limit 3

select make_date(extract(year from ordered_at)::int, extract(month from ordered_at)::int, 1) as m, count(*) from orders group by m order by m limit 2

select least(100, total) as capped, sign(total - 100), abs(total - 100), power(total, 2), sqrt(total), ln(total), round(log(total), 2), total % 10, mod(total, 7), div(total, 7), ceil(total), floor(total), trunc(total) from orders limit 1

select current_date as today, current_date + 1 as tomorrow, date_trunc('week', current_date)::date as monday, (date_trunc('month', current_date) + interval '1 month - 1 day')::date as eom, extract(quarter from current_date) as q

select (select count(*) from orders) as orders, (select count(*) from customers) as customers, (select sum(total) from orders)::numeric(12,2) as revenue

select distinct date_trunc('month', ordered_at) + interval '1 month' as next from orders order by next limit 2

select status from orders group by status order by count(*) filter (where total > 100) desc, min(order_id) fetch first row only

select lag.total, lag.prev from (select total, lag(total) over (order by order_id) as prev from orders) as lag limit 1

select rank.rank from (select rank() over (order by total) from orders) rank limit 1

select sum, count from (select sum(total), count(*) from orders) as s

select "q"."?column?" from (select 1 + 1) as "q"

select key, value from (values ('a', 1), ('b', 2)) as kv (key, value) where value > 1

select row_number, total from (select row_number() over (order by total desc), total from orders) r where row_number <= 3

select * from events where at::date = '2026-09-02' and name in ('view', 'cart') and value > 10 and labels @> '{a1}' and 3 = any(scores) and ip << '10.0.0.0/8' and duration > '10 seconds' and tod between '08:00' and '12:00' limit 1
