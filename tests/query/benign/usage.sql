select count(*) from calls

select count(*) as calls, sum(cost_usd) as cost_usd from calls where at >= now() - interval '30 days'

SELECT model, COUNT(*) AS calls, SUM(cost_usd) AS cost FROM calls GROUP BY model ORDER BY cost DESC LIMIT 10;

select model, round(sum(cost_usd), 6) cost from calls group by 1 order by 2 desc nulls last

select date_trunc('day', at) as day, sum(cost_usd) as cost_usd from calls group by day order by day

select date_trunc('hour', c.at) h, count(*) filter (where c.status = 'failed') failed, count(*) total
from calls as c group by 1 having count(*) > 0 order by 1

select status, count(*), round(100.0 * count(*) / sum(count(*)) over (), 2) as percent from calls group by status

select day, model, calls, cost_usd from costs_daily where day between date '2026-09-01' and date '2026-09-30'

select day, sum(cost_usd) as cost, sum(sum(cost_usd)) over (order by day) as running from costs_daily group by day order by day

select k.name, k.owner, coalesce(sum(c.cost_usd), 0) as cost
from keys k left join calls c on c.key_id = k.key_id and c.at >= '2026-09-01'
group by k.name, k.owner order by cost desc

select provider, percentile_cont(0.5) within group (order by latency_ms) as p50,
       percentile_cont(0.95) within group (order by latency_ms) as p95,
       percentile_disc(0.99) within group (order by latency_ms) as p99
from calls group by provider

select model, percentile_cont(array[0.5, 0.9, 0.99]) within group (order by latency_ms) from calls group by model

select model, avg(latency_ms)::numeric(10,1) avg_ms, stddev_samp(latency_ms)::numeric(10,1) sd from calls group by model

select owner, model, count(*) from calls group by grouping sets ((owner, model), (owner), ()) order by owner nulls last, model nulls last

select coalesce(provider, 'all') provider, coalesce(model, 'all') model, sum(cost_usd) from calls group by rollup (provider, model)

select provider, status, grouping(provider, status) as level, count(*) from calls group by cube (provider, status) order by level

select to_char(at, 'YYYY-MM') as month, sum(input_tokens + output_tokens) as tokens from calls group by 1 order by 1

select extract(dow from at) as weekday, extract(hour from at) as hour, count(*) from calls group by 1, 2 order by 1, 2

select at at time zone 'Europe/Berlin' as local_time, model from calls order by at desc limit 5

select (at at time zone 'America/New_York')::date as local_day, count(*) from calls group by local_day order by local_day desc limit 7

select date_bin('15 minutes', at, timestamptz '2026-01-01 00:00+00') as slot, count(*) from calls group by slot order by slot limit 20

with daily as (select date_trunc('day', at) d, sum(cost_usd) cost from calls group by 1)
select d, cost, avg(cost) over (order by d rows between 6 preceding and current row) as week_average from daily order by d

with daily as (
  select at::date as day, sum(cost_usd) as cost from calls group by at::date
), ranked as (
  select day, cost, rank() over (order by cost desc) as rnk from daily
)
select * from ranked where rnk <= 3

select * from (select model, at, cost_usd, row_number() over (partition by model order by cost_usd desc) rn from calls) x where rn = 1

select distinct on (key_name) key_name, at, model, cost_usd from calls order by key_name, at desc

select metadata->>'feature' as feature, count(*), sum(cost_usd) from calls group by 1 order by 3 desc

select metadata->'experiment'->>'arm' as arm, avg(latency_ms), count(*) from calls group by arm

select metadata #>> '{experiment,arm}' arm, (metadata #> '{experiment,run}')::int run, count(*) from calls group by 1, 2

select count(*) from calls where metadata @> '{"feature": "search"}'

select count(*) from calls where metadata ? 'experiment' and metadata->'experiment' ?& array['arm', 'run']

select s.value::int as score, count(*) from calls, jsonb_array_elements(metadata->'scores') as s group by 1 order by 1

select c.model, e.key, e.value from calls c cross join lateral jsonb_each(c.metadata) as e order by c.at limit 20

select key, count(*) from calls, jsonb_object_keys(metadata) as key group by key

select t.tag, count(*) from calls c, unnest(c.tags) as t(tag) group by t.tag order by 2 desc

select tag, sum(cost_usd) from calls cross join lateral unnest(tags) as tag group by tag

select model, array_agg(distinct status order by status) as statuses from calls group by model

select model, string_agg(distinct key_name, ', ' order by key_name) from calls group by model

select jsonb_object_agg(model, n) from (select model, count(*) n from calls group by model) s

select jsonb_agg(jsonb_build_object('model', model, 'cost', cost) order by cost desc) from (select model, sum(cost_usd) cost from calls group by 1) t

select case when latency_ms < 1000 then 'fast' when latency_ms < 3000 then 'fair' else 'slow' end as speed, count(*) from calls group by 1

select sum(case when is_stream then 1 else 0 end) as streams, sum(case is_stream when false then 1 end) as whole from calls

select width_bucket(latency_ms, 0, 5000, 10) as bucket, count(*), min(latency_ms), max(latency_ms) from calls group by bucket order by bucket

select model, count(*) filter (where error_code is not null)::float / nullif(count(*), 0) as error_rate from calls group by model order by error_rate desc

select model, corr(input_tokens, latency_ms) r, regr_slope(latency_ms, input_tokens) slope, regr_r2(latency_ms, input_tokens) from calls group by model

select mode() within group (order by model) as most_used from calls

select key_name, count(distinct model) as models, count(distinct date_trunc('day', at)) as days from calls group by key_name having count(distinct model) > 1

select model, lag(cost, 1) over w as before, cost, cost - lag(cost) over w as delta
from (select model, day, sum(cost_usd) cost from costs_daily group by 1, 2) d window w as (partition by model order by day) limit 50

select day, cost_usd, first_value(cost_usd) over w, last_value(cost_usd) over (partition by model order by day rows between unbounded preceding and unbounded following), nth_value(cost_usd, 2) over w from costs_daily window w as (partition by model order by day)

select model, day, ntile(4) over (order by cost_usd) quartile, percent_rank() over (order by cost_usd), cume_dist() over (order by cost_usd) from costs_daily limit 30

select generate_series::date as day from generate_series(date '2026-09-01', date '2026-09-30', interval '1 day')

select d::date as day, coalesce(sum(c.cost_usd), 0) as cost
from generate_series(timestamptz '2026-08-01', timestamptz '2026-08-31', interval '1 day') as d
left join calls c on c.at >= d and c.at < d + interval '1 day' group by d order by d

select g.d::date, count(c.call_id) from generate_series('2026-08-01'::timestamp, '2026-08-10', '1 day') as g(d) left join calls c on c.at::date = g.d::date group by 1 order by 1

select name from keys where not exists (select 1 from calls where calls.key_id = keys.key_id and at > timestamptz '2026-10-15')

select name from keys where key_id in (select key_id from calls group by key_id having sum(cost_usd) > 0.1)

select name, (select max(at) from calls c where c.key_id = k.key_id) as last_call, (select count(*) from calls c where c.key_id = k.key_id) from keys k

select * from keys where revoked_at is null and (expires_at is null or expires_at > current_timestamp)

select name, age(now(), created_at) as age, extract(epoch from now() - last_used_at) / 3600 as hours_idle from keys

select owner, count(*) as keys, bool_or('embeddings' = any(scopes)) as may_embed, bool_and(revoked_at is null) from keys group by owner

select name, cardinality(scopes), array_to_string(scopes, '/'), scopes[1], scopes[1:2], array_length(scopes, 1) from keys

select m.model, m.provider, sum(c.input_tokens) * m.input_usd_per_mtok / 1e6 + sum(c.output_tokens) * m.output_usd_per_mtok / 1e6 as list_price
from models m join calls c using (model) group by m.model, m.provider, m.input_usd_per_mtok, m.output_usd_per_mtok

select model, family, context_tokens from models where released >= make_date(2025, 1, 1) or released is null order by released desc nulls first, model

select b.period, b.limit_usd, b.spent_usd, round(100 * b.spent_usd / b.limit_usd, 1) || ' %' as used, k.name from budgets b inner join keys k on b.key_id = k.key_id where b.spent_usd > 0.8 * b.limit_usd

select period, limit_usd from budgets where valid_during @> current_date and not isempty(valid_during)

select budget_id, lower(valid_during), upper(valid_during), valid_during && daterange('2026-02-01', '2026-03-01') from budgets

select avg(first_token_ms) filter (where is_stream) as ttft, max(first_token_ms) - min(first_token_ms) as spread from calls where first_token_ms is not null

select model, sum(output_tokens)::numeric / sum(latency_ms) * 1000 as tokens_per_s from calls where latency_ms > 0 group by model order by 2 desc

(select 'top' as what, model, sum(cost_usd) from calls group by model order by 3 desc limit 1)
union all
(select 'bottom', model, sum(cost_usd) from calls group by model order by 3 limit 1)

select model from models except select model from calls

select key_id from keys intersect select key_id from calls intersect all select key_id from budgets

select model from models union select model from calls order by model

with a as (select model, sum(cost_usd) c from calls where at < '2026-09-15' group by model),
     b as (select model, sum(cost_usd) c from calls where at >= '2026-09-15' group by model)
select coalesce(a.model, b.model) as model, a.c as before, b.c as after, (b.c - a.c) / nullif(a.c, 0) as growth
from a full outer join b on a.model = b.model order by growth desc nulls last

select model, cost_usd from calls where cost_usd > (select avg(cost_usd) from calls) order by cost_usd desc fetch first 5 rows only

select model, cost_usd from calls order by cost_usd desc fetch first 3 rows with ties

select model from calls where model like 'gpt-%' or model ilike '%CLAUDE%' or model similar to '(o|kimi)%' limit 3

select distinct regexp_replace(model, '-[0-9].*$', '') as family from calls where model ~ '^[a-z]+-' and model !~* 'HAIKU'

select substring(model from '^[^-]+') as maker, split_part(model, '-', 2) as variant, length(model), upper(model), initcap(provider) from models

select * from calls where call_id = '3b5d5c37-12cb-9f7c-a1a5-2d3f6d1c2b11'::uuid

select key_name, at::date, sum(cost_usd) from calls group by key_name, at::date having sum(cost_usd) >= all (select 0.00001) order by 3 desc offset 2 rows fetch next 5 rows only

select now() - max(at) as silence, current_date - max(at)::date as days from calls

select count(*) from calls where at >= date_trunc('month', current_date) - interval '1 month' and at < date_trunc('month', current_date)

select extract(isoyear from day)::int as year, extract(week from day)::int as week, sum(cost_usd) from costs_daily group by 1, 2 order by 1, 2

select to_char(date_trunc('week', day), 'IYYY-"W"IW') as week, sum(calls) from costs_daily group by 1

select date_part('quarter', day) q, to_char(day, 'Mon DD, YYYY'), justify_days(interval '40 days') from costs_daily limit 3

select model, sum(cost_usd) as cost, sum(cost_usd) / (select sum(cost_usd) from calls) as share from calls group by model

select sum(cost_usd) over (partition by provider order by at range between interval '1 day' preceding and current row) as day_cost, at from calls order by at limit 10

select model, sum(cost_usd) over (order by model groups between 1 preceding and 1 following exclude ties) from costs_daily limit 10

select count(*) filter (where 'batch' = any (tags)) as batch, count(*) filter (where tags && array['ui', 'night']), count(*) filter (where tags is null) from calls

select exists (select from calls where status = 'failed') as any_failed

select array(select distinct model from calls order by 1) as models

select (select array_agg(m order by m) from (select distinct model m from calls) q) as models, 'x' as label, null as nothing, true as yes

select model, jsonb_path_query_array(metadata, '$.scores[*] ? (@ > 2)') as high from calls limit 5

select jsonb_path_exists(metadata, '$.experiment.arm'), jsonb_typeof(metadata->'scores'), jsonb_array_length(metadata->'scores') from calls limit 1

select count(*) from calls where metadata @? '$.scores[*] ? (@ == 4)' or metadata @@ '$.experiment.run > 7'
