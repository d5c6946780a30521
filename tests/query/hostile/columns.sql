select ctid from calls

select calls.ctid from calls

select xmin, xmax, cmin, cmax from calls

select tableoid from calls

select c.tableoid::text from calls c

select public.calls.ctid from calls

select oid from calls

select ctid, model from calls order by ctid

select 1 from calls where ctid = '(0,1)'

select count(xmin) from calls

select * from calls where calls.tableoid > 0

select 1 from calls group by ctid

select ctid as x from calls

select xmin from calls, (select 1 as xmin) q

select (select xmin from calls limit 1) from (select 1 as xmin) q

select calls from calls

select c from calls c

select count(c) from calls c

select count(c.*) from calls c

select row(c.*) from calls c

select to_jsonb(c) from calls c

select row_to_json(calls) from calls

select jsonb_agg(c) from calls c

select array_agg(calls) from calls

select c::text from calls c

select c = c from calls c

select c is null from calls c

select calls.* is null from calls

select coalesce(c, null) from calls c

select case when true then c end from calls c

select string_agg(c::text, ',') from calls c

select q from (select * from calls) q

select q from (select model from calls) q

select max(q) from (select 1 as a) q

select x from calls x order by x

select 1 from calls group by calls

select distinct on (calls) model from calls

select * from calls a join keys b on a = b

select w from (with w as (select 1) select * from w) w

select j from (calls join models using (model)) as j

select e from jsonb_each('{}') e

select u from unnest(array[1], array[2]) u

select e from jsonb_each('{}') with ordinality e

select calls.pg_column_size from calls

select c.pg_column_size from calls c

select c.row_to_json from calls c

select c.to_jsonb from calls c

select c.record_out from calls c

select c.text from calls c

select c.count from calls c

select public.calls.row_to_json from calls

select (c).lower from calls c

select (calls).row_to_json from calls

select (c).* from calls c

select (calls.*).model from calls

select (model).lower from calls

select (cost_usd).abs from calls

select ('x').set_config

select (1).pg_sleep

select ('1').pg_sleep

select (select c from calls c limit 1).model

select (row(1, 2)).f1

select (array[1]).cardinality

select (jsonb_each('{}')).lower

select (jsonb_each('{}')).key.lower

select ((jsonb_each('{}')).key).lower

select (now()).date

select (now()).date_trunc

select (calls.model).upper from calls

select model.upper from calls

select q.upper from (select 'a' as x) q

select g.lower from generate_series(1, 2) g

select g.g from unnest((select array_agg(x) from (select 1) q(x))) g

select q.lower from jsonb_array_elements('[]') q

select x.pg_sleep from (values (1)) x

select x.column2 from (values (1)) x

select c.lower from (calls join models using (model)) c

with w as (select 1 as a) select w.lower from w

with w as (select 1 as a) select w.b from w

with w(b) as (select 1 as a) select w.a from w

with w(pg_sleep) as (select 1 as a) select w.a from w

select q.a from (select 1 as a) q(pg_sleep)

select c.call_id from calls as c(call_id2, at2, key_id2, key_name2, owner2, provider2, model2)

select q.lower from (select upper('x')) q

select q.text from (select lower('a')::text) q

select q."case" from (select case when true then 1 else lower('x')::int end) q

select q.model from (select model || '' from calls) q

select q.upper from (select (select max(model) from calls)) q

select orders.total from customers, (select 1) q

select u.order_id from orders a join customers b using (customer_id) as u

select a.order_id from (orders a join customers b using (customer_id)) as j

select n.x from rows from (generate_series(1, 2)) as n

select n.ordinality from generate_series(1, 2) n

select o.model from (select * from models) o(a, b, c, d, e, f, g, h)

select (select l.x from (select 1 as x) l), l.x

select x.total from orders o cross join lateral (select o.total as t) x

select a.model from calls a where exists (select 1 from models b where b.latency_ms > 1)

select 1 from calls c where c.is_stream.bool

select 1 from calls order by calls.lower

select 1 from calls having calls.row_to_json is null

select sum(1) over (partition by calls.row_to_json) from calls

select 1 from calls limit (select calls.lower)

select array[calls.lower] from calls

select count(*) filter (where calls.row_to_json is not null) from calls

select 1 from calls c join models m on c.row_to_json is not null

select 1 from calls c, lateral (select c.row_to_json) x

select 1 from calls c, lower(c.text) x

with x as (select calls.row_to_json from calls) select 1 from x

select 1 union select calls.row_to_json from calls

select model[calls.lower] from calls

select q::text from (select model from calls) q

select row_to_json(c) from (calls cross join (select 1) x) as c

select json_agg(j) from (calls join models using (model)) as j

with q as (select 1 as a) select lower(q) from q

select json_agg(u) from calls join models using (model) as u

select count(calls) from (select 1 as model) q, calls

select to_json((q)) from calls as q

select coalesce(q, null) from (select 1 as a) q

select json_agg(q.x.*) from (select 1 as x) q

select row_to_json(e) from jsonb_each('{}') e

select count(public.calls.*) from calls
