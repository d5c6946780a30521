SELECT "public"."orders"."status" AS "status", count(*) AS "count" FROM "public"."orders" GROUP BY "public"."orders"."status" ORDER BY "public"."orders"."status" ASC

SELECT DATE_TRUNC('month', "public"."orders"."ordered_at") AS "ordered_at", SUM("public"."orders"."total") AS "sum" FROM "public"."orders" WHERE ("public"."orders"."ordered_at" >= DATE_TRUNC('month', (NOW() + INTERVAL '-12 month'))) AND ("public"."orders"."ordered_at" < DATE_TRUNC('month', NOW())) GROUP BY DATE_TRUNC('month', "public"."orders"."ordered_at") ORDER BY DATE_TRUNC('month', "public"."orders"."ordered_at") ASC

SELECT "source"."Customers__country" AS "Customers__country", SUM("source"."total") AS "sum" FROM (SELECT "public"."orders"."order_id" AS "order_id", "public"."orders"."total" AS "total", "Customers"."customer_id" AS "Customers__customer_id", "Customers"."country" AS "Customers__country" FROM "public"."orders" LEFT JOIN "public"."customers" AS "Customers" ON "public"."orders"."customer_id" = "Customers"."customer_id") AS "source" GROUP BY "source"."Customers__country" ORDER BY "sum" DESC, "source"."Customers__country" ASC LIMIT 2000

SELECT "source"."ordered_at" AS "ordered_at", "source"."count" AS "count" FROM (SELECT CAST("public"."orders"."ordered_at" AS date) AS "ordered_at", COUNT(*) AS "count" FROM "public"."orders" GROUP BY CAST("public"."orders"."ordered_at" AS date) ORDER BY CAST("public"."orders"."ordered_at" AS date) ASC) AS "source" WHERE "source"."count" > 0 LIMIT 1048575

SELECT (CAST(extract(dow from "public"."orders"."ordered_at") AS integer) + 1) AS "day-of-week", COUNT(*) AS "count" FROM "public"."orders" GROUP BY (CAST(extract(dow from "public"."orders"."ordered_at") AS integer) + 1) ORDER BY 1 ASC

SELECT ((floor((("public"."orders"."total" - 0.0) / 50.0)) * 50.0) + 0.0) AS "total", COUNT(*) AS "count" FROM "public"."orders" GROUP BY ((floor((("public"."orders"."total" - 0.0) / 50.0)) * 50.0) + 0.0) ORDER BY 1

-- Metabase:: userID: 1 queryType: MBQL queryHash: 27ff
SELECT "public"."customers"."customer_id" AS "customer_id", "public"."customers"."name" AS "name", "public"."customers"."profile" AS "profile" FROM "public"."customers" LIMIT 2000

SELECT ("public"."customers"."profile"#>>array['address', 'zip'])::text AS "profile → address → zip", COUNT(*) AS "count" FROM "public"."customers" GROUP BY "profile → address → zip" ORDER BY "profile → address → zip" ASC LIMIT 10

SELECT "source"."bucket" AS "bucket", AVG("source"."total") AS "avg" FROM (SELECT CASE WHEN "public"."orders"."total" < 100 THEN 'low' WHEN "public"."orders"."total" < 250 THEN 'mid' ELSE 'high' END AS "bucket", "public"."orders"."total" AS "total" FROM "public"."orders") AS "source" GROUP BY "source"."bucket"

SELECT DATE_TRUNC('day', ordered_at) AS __timestamp, status AS status, COUNT(*) AS count FROM public.orders WHERE ordered_at >= TO_TIMESTAMP('2024-01-01 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US') AND ordered_at < TO_TIMESTAMP('2025-01-01 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US') GROUP BY DATE_TRUNC('day', ordered_at), status ORDER BY count DESC LIMIT 10000

SELECT channel AS channel, sum(total) AS "SUM(total)", count(DISTINCT customer_id) AS "COUNT_DISTINCT(customer_id)" FROM public.orders WHERE ordered_at >= '2024-01-01T00:00:00'::timestamp without time zone AND status IN ('paid', 'shipped') GROUP BY channel ORDER BY "SUM(total)" DESC LIMIT 1000

SELECT DATE_TRUNC('week', ordered_at + interval '1 day') - interval '1 day' AS __timestamp, AVG(total) AS "AVG(total)" FROM public.orders JOIN (SELECT channel AS channel__, COUNT(*) AS mme_inner__ FROM public.orders GROUP BY channel ORDER BY mme_inner__ DESC LIMIT 5) AS series_limit ON channel = channel__ GROUP BY 1 ORDER BY 2 DESC

SELECT * FROM (SELECT order_id, total, status FROM orders) AS virtual_table WHERE ((total > 10)) LIMIT 100

SELECT COUNT(*) AS rowcount FROM (SELECT status, count(*) FROM orders GROUP BY status LIMIT 50000) AS rowcount_qry

SELECT (DATE(orders.ordered_at )) AS "orders.ordered_date", COALESCE(SUM(orders.total ), 0) AS "orders.total_revenue" FROM public.orders AS orders LEFT JOIN public.customers AS customers ON orders.customer_id = customers.customer_id WHERE ((( orders.ordered_at ) >= ((SELECT (DATE_TRUNC('day', timestamp '2024-05-01') + (-29 || ' day')::INTERVAL))) AND ( orders.ordered_at ) < ((SELECT ((DATE_TRUNC('day', timestamp '2024-05-01') + (-29 || ' day')::INTERVAL) + (30 || ' day')::INTERVAL))))) GROUP BY (DATE(orders.ordered_at )) ORDER BY 1 DESC FETCH NEXT 500 ROWS ONLY

SELECT DATE_PART('year', orders.ordered_at)::integer AS "orders.year", TO_CHAR(DATE_TRUNC('month', orders.ordered_at), 'YYYY-MM') AS "orders.month", COUNT(DISTINCT orders.order_id) AS "orders.count", CASE WHEN COUNT(*) <> 0 THEN 1.0 * SUM(orders.total) / NULLIF(COUNT(*), 0) END AS "aov" FROM public.orders AS orders GROUP BY 1, 2 HAVING NOT (COUNT(*) IS NULL) ORDER BY 1 NULLS LAST, 2 DESC NULLS FIRST LIMIT 500

WITH customer_facts AS (SELECT customer_id, MIN(ordered_at) AS first_order, COUNT(*) AS lifetime_orders FROM public.orders GROUP BY 1) SELECT CASE WHEN customer_facts.lifetime_orders >= 10 THEN '10 or Above' WHEN customer_facts.lifetime_orders >= 5 THEN '5 to 9' ELSE 'Below 5' END AS "tier", COUNT(DISTINCT customer_facts.customer_id ) AS "n" FROM customer_facts GROUP BY 1

SELECT "Custom SQL Query"."country" AS "country", SUM("Custom SQL Query"."total") AS "sum:total:ok" FROM ( SELECT c.country, o.total FROM orders o JOIN customers c ON c.customer_id = o.customer_id ) "Custom SQL Query" GROUP BY 1

SELECT CAST(DATE_TRUNC( 'QUARTER', CAST("orders"."ordered_at" AS DATE) ) AS DATE) AS "tqr:ordered_at:ok", SUM("orders"."total") AS "sum:total:ok" FROM "public"."orders" "orders" WHERE (CAST("orders"."ordered_at" AS TIMESTAMP) >= (TIMESTAMP '2024-01-01 00:00:00.000')) GROUP BY 1

SELECT "t0"."country" AS "country", "t0"."X_measure__0" AS "m" FROM (SELECT "customers"."country" AS "country", COUNT(1) AS "X_measure__0" FROM "public"."customers" "customers" GROUP BY 1) "t0" INNER JOIN (SELECT "customers"."country" AS "country" FROM "public"."customers" "customers" GROUP BY 1 HAVING (COUNT(1) > 3)) "t1" ON (("t0"."country" = "t1"."country") OR (("t0"."country" IS NULL) AND ("t1"."country" IS NULL)))

SELECT SUM(1) AS "COUNT(1)" FROM "public"."orders" "orders" HAVING (COUNT(1) > 0)

SELECT "orders"."status" AS "status" FROM "public"."orders" "orders" GROUP BY 1 ORDER BY 1 ASC NULLS FIRST

SELECT floor(extract(epoch from at)/3600)*3600 AS "time", avg(latency_ms) AS "latency" FROM calls WHERE at BETWEEN '2026-08-01T00:00:00Z' AND '2026-09-01T00:00:00Z' GROUP BY 1 ORDER BY 1

SELECT at AS "time", model AS metric, cost_usd AS value FROM calls WHERE extract(epoch from at) BETWEEN 1785542400 AND 1788220800 ORDER BY 1,2

SELECT date_bin('300.000s', at, TIMESTAMP WITH TIME ZONE '2000-01-01 00:00:00Z') AS "time", percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_ms) AS "p95" FROM calls WHERE at > now() - interval '6 hours' GROUP BY 1 ORDER BY 1

SELECT DISTINCT model AS __text, model AS __value FROM calls ORDER BY 1

SELECT to_timestamp(floor((extract('epoch' from at) / 600 )) * 600) AT TIME ZONE 'UTC' as interval_alias, count(*) FROM calls GROUP BY interval_alias ORDER BY interval_alias LIMIT 10

SELECT 1 WHERE 1=1

SELECT * FROM orders WHERE 1=1 AND status = 'paid' AND (total > 10 OR 1=0) AND TRUE LIMIT 5

SELECT * FROM "orders" WHERE 1 = 0

SELECT TOP.n FROM (SELECT count(*) AS n FROM orders) AS TOP

with source as ( select * from "public"."orders" ), renamed as ( select order_id as id, customer_id, total as amount, ordered_at as created_at from source ), final as ( select *, row_number() over (partition by customer_id order by created_at) as nth from renamed ) select * from final where nth = 1

with orders as (select * from public.orders), customers as (select * from public.customers), joined as (select customers.*, orders.total, orders.ordered_at from customers left join orders using (customer_id)) select country, count(*), sum(total) from joined group by 1

SELECT COUNT(CASE WHEN status = 'paid' THEN 1 END) AS "paid", COUNT(CASE WHEN status = 'shipped' THEN 1 ELSE NULL END) AS "shipped", SUM(CASE WHEN coupon IS NOT NULL THEN 1 ELSE 0 END)::float / COUNT(*)::float AS "coupon rate" FROM orders

SELECT "T1"."c0" AS "Year", "T1"."c1" AS "Revenue" FROM (SELECT EXTRACT(YEAR FROM "o"."ordered_at") AS "c0", SUM("o"."total") AS "c1" FROM "orders" "o" GROUP BY EXTRACT(YEAR FROM "o"."ordered_at")) "T1" ORDER BY "Year" DESC NULLS LAST

select "rows"."status" as "status", sum("rows"."total") as "a0" from ( select "status","total" from "public"."orders" "$Table" where "ordered_at" >= timestamp '2024-01-01 00:00:00' ) "rows" group by "status"

select "_"."order_id", "_"."status", "t0_0"."c" from "public"."orders" "_" left outer join (select customer_id as c from "public"."customers") as "t0_0" on "_"."customer_id" = "t0_0"."c" limit 1000 offset 0

SELECT "q"."a" FROM (SELECT 1 AS "a") AS "q" WHERE ("q"."a" IN (1)) ORDER BY "q"."a" OFFSET 0 ROWS FETCH FIRST 10 ROWS ONLY

SELECT t.owner, t."2026-08", t."2026-09" FROM (SELECT owner, SUM(cost_usd) FILTER (WHERE to_char(at,'YYYY-MM')='2026-08') AS "2026-08", SUM(cost_usd) FILTER (WHERE to_char(at,'YYYY-MM')='2026-09') AS "2026-09" FROM calls GROUP BY owner) t

SELECT date_trunc('day', at) AS "Day", SUM(SUM(cost_usd)) OVER (ORDER BY date_trunc('day', at)) AS "Cumulative" FROM calls GROUP BY date_trunc('day', at)

SELECT "Orders"."Status" AS "Status", "Orders"."n" FROM (SELECT status AS "Status", COUNT(1) AS n FROM orders GROUP BY status) AS "Orders" WHERE LOWER("Orders"."Status") LIKE '%ai%' ESCAPE '\'

SELECT "public"."customers"."name" FROM "public"."customers" WHERE (LOWER("public"."customers"."name") LIKE '%omer 1%') AND ("public"."customers"."segment" <> 'business' OR "public"."customers"."segment" IS NULL) LIMIT 2000

SELECT CAST("public"."calls"."at" AT TIME ZONE 'Europe/Berlin' AS date) AS "at", COUNT(*) AS "count" FROM "public"."calls" GROUP BY 1 ORDER BY 1

SELECT CAST(DATE_TRUNC('month', ("public"."calls"."at" AT TIME ZONE 'America/New_York')) AT TIME ZONE 'America/New_York' AS timestamptz) AS "m", COUNT(*) FROM "public"."calls" GROUP BY 1

SELECT COUNT(DISTINCT "c"."country") AS "ctd:country:ok", (COUNT(DISTINCT "c"."customer_id") - COUNT(DISTINCT CASE WHEN NOT "c"."is_active" THEN "c"."customer_id" END)) AS "diff" FROM "customers" "c"

SELECT "measure" / NULLIF("total_measure", 0)::double precision AS "share" FROM (SELECT SUM("total") AS "measure", SUM(SUM("total")) OVER () AS "total_measure", "status" FROM "orders" GROUP BY "status") AS "w"

SELECT "public"."orders"."channel" AS "channel", PERCENTILE_CONT(0.5) within group (order by "public"."orders"."total") AS "median" FROM "public"."orders" GROUP BY "public"."orders"."channel"

SELECT "source"."id" AS "id", "source"."Joined → Total" AS "Joined → Total" FROM (SELECT "public"."customers"."customer_id" AS "id", "Joined"."total" AS "Joined → Total" FROM "public"."customers" LEFT JOIN (SELECT "public"."orders"."customer_id" AS "cid", SUM("public"."orders"."total") AS "total" FROM "public"."orders" GROUP BY "public"."orders"."customer_id") "Joined" ON "public"."customers"."customer_id" = "Joined"."cid") "source" LIMIT 1048575
