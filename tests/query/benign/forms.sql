values (1, 'a'), (2, 'b')

values (current_date, 'today') order by 1

select order_id, total from orders order by total using >, order_id using < limit 5

select array_agg(order_id order by total using <) from orders

select (o).total, (o).status from (select total, status from orders) o limit 1

with w as (select model, metadata from calls) select (w).metadata['feature'] as feature, count(*) from w group by (w).metadata['feature']

select lexeme, count(*) from orders, unnest(to_tsvector('simple', note)) group by lexeme order by 2 desc

select o.order_id, u.lexeme, u.positions[1] from orders o, unnest(to_tsvector('simple', o.note)) as u limit 3

select u.word, u.places from orders o cross join lateral unnest(to_tsvector('english', o.note)) as u (word, places, weights) limit 3

select factorial(5), array(select 0 from generate_series(1, 3))

select count(*) between 0 and 600 as fewer from orders tablesample bernoulli (10)

select json('{"a": 1}'), json_scalar(1), json_serialize('{"a": 1}' returning text)

select json_scalar(total)::text from orders limit 1

select * from (values (1), (2)) as v (n) where n in (values (1), (3))

select jt.* from calls, json_table(metadata, '$.scores[*]' columns (n for ordinality, s int path '$')) as jt limit 4

select e.event_id, jt.id, jt.src from events e cross join json_table(e.props, '$' columns (id int path '$.items[0]', src text path '$.utm.source' default '-' on empty)) as jt limit 2

select j.a, j.n, j.kept, j.b from calls c left join json_table(c.metadata, 'lax $' as root passing c.model as m columns (a text path '$.feature', nested path '$.scores[*]' as s columns (b int path '$', kept bool exists path '$'), n jsonb format json path '$.experiment' with wrapper)) as j on true limit 3

select j.x, j.y, count(*) from calls, json_table(metadata, '$' columns (nested '$.scores[*]' columns (b int path '$'), feature text)) as j (x, y) group by 1, 2 order by 1, 2

with recursive t (id, boss) as (select employee_id, manager_id from employees where manager_id is null union all select e.employee_id, e.manager_id from employees e join t on e.manager_id = t.id) search depth first by id set path select id, boss from t order by path

with recursive t (id, boss) as (select employee_id, manager_id from employees where manager_id is null union all select e.employee_id, e.manager_id from employees e join t on e.manager_id = t.id) search breadth first by boss, id set ordered cycle id set looped to 'yes' default 'no' using trail select id, looped, trail from t where looped = 'no' order by ordered
