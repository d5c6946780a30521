select 1

select 1 as one, 'two' as two, 3.0 as three, null as four, true and not false as five

select

SELECT 'it''s', E'tab\there', $$dollar $ quoted$$, $tag$ with 'quotes' $tag$, B'101', X'1F'

/* a comment */ select count(*) -- how many
from calls /* nested /* comment */ here */ where true -- the end

select *
  from calls
 where 1 = 1
   and model = 'gpt-4o'
   and (status = 'settled' or status = 'failed')
   and not (cost_usd is null)
 limit 100 offset 10

select c."model", c . "cost_usd" from public . calls c limit 1

select calls.model, calls.* from calls limit 1

select c.*, m.* from calls c join models m using (model) limit 1

select * from calls join models using (model) limit 1

select model, m.provider, c.provider from calls c join models m using (model) limit 1

select * from calls natural join models limit 1

select a.model from ((calls a join models b on a.model = b.model) left join keys k on k.key_id = a.key_id) limit 1

select x.m from (select model as m from calls) x where x.m is not null limit 1

select x.m, x.n from (select model, count(*) from calls group by 1) x(m, n) order by x.n

select sub.count, sub.max, sub."?column?" from (select count(*), max(latency_ms), 1 + 1 from calls) sub

select q.int4, q.date, q.interval, q.text from (select 1::int, '2026-01-01'::date, interval '1 day', 5::text) q

select q."case", q."coalesce", q.nullif, q.greatest, q.array, q.row, q.exists from (select case when true then 1 end, coalesce(1, 2), nullif(1, 2), greatest(1, 2), array[1], row(1, 2), exists (select 1)) q

select q.extract, q.timezone, q.btrim, q.substring, q.current_date from (select extract(year from now()), now() at time zone 'UTC', trim(' a '), substring('abc' from 2), current_date) q

select q.model, q.max from (select (select model from models order by 1 limit 1), (select max(cost_usd) from calls)) q

select q.lower, q.total from (select lower('A') collate "C", (2)::numeric as total) q

select d, d.d, d + 1 from generate_series(1, 3) as d

select g.day, g from generate_series(1, 3) as g(day)

select s.a, s.b from (select 1 as a, 2 as b union all select 3, 4) s

select r.key, r.value from jsonb_each('{"a": 1}') r

select value->>'x' as x from jsonb_array_elements('[{"x": 1}, {"x": 2}]')

select e->>'x' as x from jsonb_array_elements('[{"x": 1}]') e

select e.value, e.ordinality from jsonb_array_elements_text('["a", "b"]') with ordinality e

select a.n, b.m from rows from (generate_series(1, 2), generate_series(1, 3)) as a(n, k), generate_series(1, 1) b(m)

select u.a, u.b from unnest(array[1, 2], array['x', 'y']) as u(a, b)

select n, n * n from unnest(array[1, 2, 3]) n

select i, scopes[i] from keys, generate_subscripts(scopes, 1) i

select lower from lower('ABC')

select now from now()

select c.d from current_date c(d)

select 5 between 1 and 10, 5 not between symmetric 10 and 1, 5 in (1, 2, 5), 'a' not in ('b')

select 1 is null, null isnull, 1 notnull, true is unknown, (1 = 1) is true, (1, null) is null

select (1, 'a') = (1, 'a'), row(1, 2) < row(1, 3), (1, 2) is distinct from (1, 3)

select case model when 'gpt-4o' then 'a' else 'b' end, case when cost_usd > 1 then 1.0 else 0 end from calls limit 1

select (case when true then array[1, 2, 3] end)[2], (array[[1, 2], [3, 4]])[1][2], ('{1,2,3}'::int[])[2:], array_append(array[1], 2) || 3

select (jsonb '{"a": [10, 20]}')['a'][1], '{"a": 1}'::json ->> 'a', jsonb '[1, 2]' -> -1

select count(*), count(1), count(distinct model), count(all model), sum(distinct latency_ms) from calls

select avg(latency_ms) over (), max(at) over (partition by model) from calls limit 2

select sum(cost_usd) filter (where is_stream) over (partition by model order by at rows unbounded preceding) from calls limit 2

select model from calls group by model having count(*) > 1 and sum(cost_usd) is not null order by count(*) desc, model collate "C" asc nulls last

select model as m, count(*) as n from calls group by m order by n desc, m

select model as m from calls order by m, at desc limit 3

select lower(model) from calls group by lower(model) order by lower(model)

select distinct model, provider from calls order by model desc, provider

select distinct on (provider, model) provider, model, latency_ms from calls order by provider, model, latency_ms desc

select all model from models

select model from calls group by distinct rollup (model, provider), cube (model)

select model from calls group by () , model

select provider, model from calls group by (provider, model)

select 1 union select 2 union all select 3 except select 2 intersect select 2 order by 1

(select 1) union ((select 2 order by 1 limit 1))

(((select count(*) from calls)))

select a from (select 1 as a union select 2) as u where a > (select min(b) from (values (0), (1)) v(b)) order by a limit 1 offset 0

with a as (select 1 as x), b as (select x + 1 as y from a), c(z) as (select x + y from a, b) select x, y, z from a, b, c

with calls as (select 'shadow' as model) select model from calls

with x as (select 1 as n) select (with y as (select n + 1 as m from x) select m from y) from x

with a as (select 1) select * from a, (with a as (select 2 as inner_a) select * from a) q

with v(a, b) as (values (1, 'x'), (2, 'y')) select b, a from v order by a

select * from (with t as (select model, cost_usd from calls) select model, sum(cost_usd) as s from t group by 1) q where s > 0

select (select count(*) from calls where calls.key_id = k.key_id) as n from keys k order by (select max(at) from calls where calls.key_id = k.key_id) desc nulls last

select model from calls c where cost_usd = (select max(cost_usd) from calls where model = c.model) limit 2

select model from calls where latency_ms < all (select latency_ms from calls where status = 'failed') limit 2

select k.name from keys k where (select count(*) from calls c where c.key_id = k.key_id) > 5 and k.name in (select key_name from calls)

select count(*) from calls limit (select 1) offset (select 0)

select model, (select string_agg(t, ',') from unnest(c.tags) t) as tags from calls c limit 3

select array(select unnest(tags) union select 'x' order by 1) from calls limit 2

select c.model, l.n from calls c, lateral (select c.latency_ms / 1000 as n) l limit 2

select o.n, i.m from (values (1), (2)) o(n), lateral generate_series(1, o.n) i(m)

select o.n, i.m, k.z from (values (1), (2)) o(n) left join lateral (select o.n * 2 as m) i on true cross join lateral (select i.m + 1 as z) k

select a.x, b.x from (select 1 as x) a full join (select 2 as x) b on a.x = b.x

select x from (select 1 as x) a full join (select 2 as x) b using (x)

select * from (select 1 as id, 'l' as l) a right join (select 1 as id, 'r' as r) b using (id)

select grouping(model), model, sum(cost_usd) over () from (select model, 1 as cost_usd from calls) c group by rollup (model), cost_usd

select sum(sum(cost_usd)) over (order by date_trunc('day', at)) from calls group by date_trunc('day', at) limit 3

select rank(100) within group (order by latency_ms), percent_rank(100) within group (order by latency_ms) from calls

select model, array_agg(latency_ms order by at desc nulls last) filter (where latency_ms > 3000) from calls group by 1 limit 2

select json_build_object('model', model, 'n', count(*)), json_agg(status order by status), jsonb_object_agg(call_id, status) from calls group by model limit 1

select to_jsonb(array[1, 2]), to_json('x'::text), jsonb_build_array(1, 'a', null), json_object('{a,b}'), jsonb_strip_nulls('{"a": null}'), jsonb_pretty('{"a": 1}'), jsonb_set('{"a": 1}', '{a}', '2'), jsonb_insert('[1]', '{0}', '0')

select row_to_json(row(1, 'a')), array_to_json(array[1, 2]), json_typeof('1'), json_array_length('[1]'), json_extract_path_text('{"a": {"b": 1}}', 'a', 'b')

select jsonb_path_query(metadata, '$.scores[*]') from calls limit 3

select jsonb_path_query_first(metadata, '$.scores[*] ? (@ > $min)', '{"min": 1}'), jsonb_path_match(metadata, '$.experiment.run > 1') from calls limit 3

select (jsonb_each(metadata)).key from calls limit 2

select model, to_tsvector('english', model) @@ plainto_tsquery('english', 'mini') from models

select order_id, ts_rank(to_tsvector('simple', note), websearch_to_tsquery('simple', 'ring twice')) from orders where note is not null limit 2

select int4range(1, 10) @> 5, tsrange('2026-01-01', '2026-02-01') && tsrange('2026-01-15', '2026-03-01'), numrange(1, 2) -|- numrange(2, 3), range_merge(int4range(1, 2), int4range(5, 6)), upper_inf(daterange('2026-01-01', null))

select range_agg(daterange(day, day + 1)) from (select distinct day from costs_daily) d

select bit_and(customer_id), bit_or(customer_id), every(is_active), covar_pop(customer_id, birth_year), regr_count(birth_year, customer_id) from customers

select sin(0), cos(0), atan2(1, 1), degrees(pi()), radians(180), tanh(0), random() < 2, gen_random_uuid() is not null

select ascii('A'), chr(65), to_hex(255), quote_literal('a'), starts_with('abc', 'a'), 'abc' ^@ 'ab', repeat('-', 10), normalize('a')

select repeat('*', least(count(*)::int / 100, 50)) as bar, model from calls group by model

select generate_series(1, 3) as n, model from models

select make_interval(days => 3), make_interval(hours => 1, mins => 30), date_trunc('week', now() - interval '7 days'), isfinite(now()), justify_hours(interval '30 hours'), date_part('doy', date '2026-12-31')

select extract(epoch from timestamptz '2026-01-01 00:00+00'), extract(century from date '2026-01-01'), extract(microseconds from time '10:00:00.5'), extract(timezone_hour from now())

select interval '1-2', interval '3 4:05:06', interval '1' day, interval '90' minute, interval(0) '1.5 seconds', '1 mon'::interval day to hour

select timestamp with time zone '2026-01-01 00:00+00', timestamp(3) without time zone '2026-01-01', time with time zone '10:00+01', '2026-01-01'::timestamptz(0), now()::time(0)

select 1::numeric(10, 2), 'abc'::varchar(2), 'abc'::char(5), '101'::bit(3), 'a'::"char", '\xDEAD'::bytea, '10.0.0.0/8'::cidr, '08:00:2b:01:02:03'::macaddr

select 1.5::double precision, 2::real, 1::smallint, 10::bigint, 1::decimal(5), '{1,2}'::integer array, '{a,b}'::text[3], cast(array['1'] as int[])

select +1, -1, - -1, 1 + -1, not true, -(2 ^ 2), 7 / 2, 7.0 / 2, 2 * (3 + 4) - 1

select 'a' || 'b' || 1 || null, 'abc' like 'a%', 'abc' like 'a\_c', 'a%c' like 'a|%c' escape '|', 'abc' not like 'b%', 'abc' ~~ 'a%', 'ABC' ~~* 'a%', 'abc' similar to 'a(b|c)+', 'x' !~ 'y'

select 'é' = 'é', '日本語' as "列", length('日本語'), 'ñ' ilike 'Ñ'

select "column", "select" from (select 1 as "column", 2 as "select") q

select name as "Customer name", email AS mail, country land from customers limit 1

select avg(x) filter (where x > 1), count(*) from (values (1), (2), (null)) v(x)

select coalesce(sum(cost_usd), 0)::text, coalesce(max(at)::text, 'never') from calls where false

select cume_dist() over w, ntile(3) over w, lead(at, 2, now()) over w from calls window w as (partition by model order by at), v as (w rows current row) limit 2

select sum(latency_ms) over (v rows between 2 preceding and 1 following exclude current row) from calls window v as (order by at) limit 2

select m.model, k.n from models m cross join (select count(*) as n from keys) k where k.n is not null

select * from models, keys, budgets where models.model = 'o3' and keys.name = 'key-1' limit 1

select model from calls tablealias where tablealias.status = 'failed' group by tablealias.model

select only_once.model from only models as only_once

select model from calls where at > timestamptz 'yesterday' or at < 'now'::timestamptz - interval '1 day' limit 1

select exists (select 1 from calls where error_code like 'upstream%'), not exists (table budgets)

select x.n from lateral (select 1 as n) x

select coalesce((select sum(total) from orders where customer_id = c.customer_id), 0) as spent, case when (select count(*) from orders where customer_id = c.customer_id) > 5 then 'many' end from customers c order by spent desc limit 3

select string_agg(c, '' order by n desc) from unnest(string_to_array('a,b,c', ',')) with ordinality as t(c, n)

select tag from (select unnest(tags) as tag from products) t group by tag having count(*) > 2

select num, tag.tag from products, unnest(tags::text[]) with ordinality as tag(tag, num) limit 2

select array_position(array['a', 'b'], 'b'), array_remove(array[1, 2], 1), array_cat(array[1], array[2]), array_replace(array[1], 1, 2), array_upper(array[1], 1), array_dims(array[1]), array_prepend(0, array[1]), array_positions(array[1, 1], 1)

select (now() - interval '1 day', now()) overlaps (now() - interval '2 hours', interval '5 hours')

select count(*) from calls where cost_usd > 1e-5 and cost_usd < .5 and latency_ms <> 0 and latency_ms != 1 and at::date = any (array[date '2026-09-01', '2026-09-02'])

select model, sum(case status when 'settled' then cost_usd else 0 end) / nullif(sum(cost_usd), 0) as settled_share from calls group by model order by 2 nulls first limit 3;

select count(*) from orders where ordered_at > '2024-06-01' and ordered_at < '2024-06-01'::date + '1 month'::interval and status in ('paid', 'shipped') and channel = any ('{web,app}')

select oid_like.order_id from (select order_id from orders) as oid_like limit 1

select a.model, b.model, c.model from calls a, calls b, calls c where a.call_id = b.call_id and b.call_id = c.call_id limit 1

select sum(total) over (order by ordered_at range between interval '30 days' preceding and interval '1 day' following) from orders limit 3

select regexp_replace(email, '^(.).*@', '\1***@', 'g'), initcap(lower(name)), ltrim('xxa', 'x'), rtrim('axx', 'x'), trim(both 'x' from 'xax'), trim(leading from '  a') from customers limit 1

select date_trunc('month', d)::date + interval '1 month' - interval '1 day' as month_end, extract(day from date_trunc('month', d) + interval '1 month - 1 day') as days from generate_series('2026-01-01'::date, '2026-12-01', '1 month') d

select lower(provider) as p, upper(model) as m, count(*) from calls group by grouping sets ((p, m), (p), ()), rollup ((p, m)) order by p, m

select date_trunc('month', at) as month, lower(model) as name, count(*) from calls group by (month, name)

select x.a, b from jsonb_to_recordset('[{"a": 1, "b": "x"}, {"a": 2}]') as x(a int, b text) where x.a > 0

select c.model, e.arm, e.run from calls c, jsonb_to_record(c.metadata->'experiment') as e(arm text, run numeric(5, 1)) limit 3

select (jsonb_each('{"a": 1, "b": 2}')).*

select key_name, (jsonb_each_text(metadata)).*, 1 as one from calls where key_name = 'key-1' limit 3

select repeat('#', (count(*) / 10)::int) as bar, rpad(model, latency_ms / 100, '.') from calls group by model, latency_ms limit 2

with recursive t as (select employee_id, name, 0 as depth from employees where manager_id is null union all select e.employee_id, e.name, t.depth + 1 from employees e join t on e.manager_id = t.employee_id) select repeat('  ', depth) || name, lpad(name, length(name) + depth) from t

select json_array(select model from models order by 1 returning jsonb), json_array(select cost_usd from calls where cost_usd > m.input_usd_per_mtok order by 1 limit 2) from models m limit 1

select to_tsquery('big') <-> to_tsquery('cat'), setweight(to_tsvector('a b'), 'A'), strip(to_tsvector('a b')), numnode(to_tsquery('a & b')), tsvector_to_array(to_tsvector('simple', 'a b')), jsonb_to_tsvector('{"a": "b"}', '["string"]'), point(1, 2) <-> point '(4,6)', area(circle '((0,0),2)'), box '((0,0),(1,1))' @> point '(0.5,0.5)', set_bit(b'0000', 1, 1)

select row_to_json(t) from (select status, count(*) as n from calls group by status) t

select coalesce(json_agg(t order by t.n desc), '[]'), count(t), jsonb_agg(t.*), array_to_json(array_agg(row_to_json(t))) from (select status, count(*) as n from calls group by status) as t

with t as (select model, sum(cost_usd) as usd from calls group by model) select json_build_object('models', json_agg(to_jsonb(t) - 'usd' order by usd desc), 'n', count(*)) from t

select k.name, (select json_agg(c) from (select model, cost_usd from calls where key_id = k.key_id order by cost_usd desc limit 2) c) as top from keys k limit 2

select to_jsonb(v), to_jsonb(r) from (values (1, 'x')) as v(a, b), jsonb_to_recordset('[{"a": 1}]') as r(a int)

select count(c), max(c) from (select count(*) as c from calls group by model) c

select order_id as oid, count(*) as n from order_items group by oid order by oid limit 3

with o as (select order_id as oid, customer_id as cid from orders) select o.oid, cid, i.quantity from o join order_items i on i.order_id = o.oid order by oid limit 3

select q.xmin, xmax, xmax - xmin as width from (select min(total) as xmin, max(total) as xmax from orders) q order by xmin

select min(total) as xmin, max(total) as xmax, channel from orders group by channel order by xmin desc

select row_to_json((select x from (select c.model, c.cost_usd as usd) x)) as line from calls c limit 2
