-- What we booked, for comparing with a provider's bill. Runs as meterr_app: row-level security
-- shows one tenant's rows, and every statement names the tenant too, so that the index leads.

-- name: sum_booked
-- Entries that share a day, a model, a price version and the reasons why a bill may differ: a few
-- rows a day, however many calls. Edges are the days' starts and, last, the end of the last day.
-- What neither consumed anything nor may have is left out: no provider bills it.
WITH call AS (
  SELECT width_bucket(e.at, %(edges)s::timestamptz[]) AS day_number,
         coalesce(nullif(e.answered_model, ''), e.model) AS billed_model,
         e.at, e.price_id, e.cost_usd, e.input, e.cache_read, e.cache_write_5m, e.cache_write_30m,
         e.cache_write_1h, e.cache_write_12h, e.input_audio, e.input_image, e.output,
         e.output_audio, e.output_image, e.web_search,
         e.usage_known, meterr.may_be_billed(e) AS billable,
         e.state = 'interrupted' AS interrupted,
         e.estimate <> '' AS estimated,
         e.error = 'usage-partial' AS partial,
         e.answered_model <> '' AND e.answered_model <> e.model AS renamed,
         width_bucket(e.at, %(edges)s::timestamptz[])
           <> width_bucket(e.at + e.duration_ms * interval '1 millisecond',
                           %(edges)s::timestamptz[]) AS over_midnight
    FROM meterr.ledger_entry e
   WHERE e.tenant_id = %(tenant)s AND e.at >= %(since)s AND e.at < %(until)s
     AND e.provider = %(provider)s AND e.state <> 'refused'
     AND (cardinality(%(surfaces)s::text[]) = 0 OR e.surface = ANY (%(surfaces)s::text[]))
)
SELECT c.day_number, c.billed_model, coalesce(c.price_id, '') AS price_id,
       coalesce(p.context, '') AS context,
       CASE WHEN p.rates -> 'web_search' -> 'tiers' IS NULL
            THEN (p.rates -> 'web_search' ->> 'usd')::numeric END AS web_search_rate,
       c.interrupted, c.estimated, c.partial, c.renamed, c.over_midnight,
       c.cost_usd IS NULL AND c.billable AS unpriced,
       count(*) AS calls,
       count(*) FILTER (WHERE c.usage_known AND c.billable) AS requests,
       extract(epoch FROM min(c.at))::float8 AS first_at,
       sum(c.cost_usd) AS cost_usd,
       sum(c.input) AS input,
       sum(c.cache_read) AS cache_read,
       sum(c.cache_write_5m) AS cache_write_5m,
       sum(c.cache_write_30m) AS cache_write_30m,
       sum(c.cache_write_1h) AS cache_write_1h,
       sum(c.cache_write_12h) AS cache_write_12h,
       sum(c.input_audio) AS input_audio,
       sum(c.input_image) AS input_image,
       sum(c.output) AS output,
       sum(c.output_audio) AS output_audio,
       sum(c.output_image) AS output_image,
       sum(c.web_search) AS web_search
  FROM call c
  LEFT JOIN meterr.price_version p ON p.price_id = c.price_id
 WHERE c.billable OR c.cost_usd > 0
 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11;

-- name: first_booked
-- The first ids of each such group of the days and models asked for. Only rows that differ are.
WITH call AS (
  SELECT width_bucket(e.at, %(edges)s::timestamptz[]) AS day_number,
         coalesce(nullif(e.answered_model, ''), e.model) AS billed_model,
         e.id, e.at, e.price_id, e.cost_usd, meterr.may_be_billed(e) AS billable,
         e.state = 'interrupted' AS interrupted,
         e.estimate <> '' AS estimated,
         e.error = 'usage-partial' AS partial,
         e.answered_model <> '' AND e.answered_model <> e.model AS renamed,
         width_bucket(e.at, %(edges)s::timestamptz[])
           <> width_bucket(e.at + e.duration_ms * interval '1 millisecond',
                           %(edges)s::timestamptz[]) AS over_midnight
    FROM meterr.ledger_entry e
   WHERE e.tenant_id = %(tenant)s AND e.at >= %(since)s AND e.at < %(until)s
     AND e.provider = %(provider)s AND e.state <> 'refused'
     AND (cardinality(%(surfaces)s::text[]) = 0 OR e.surface = ANY (%(surfaces)s::text[]))
), judged AS (
  SELECT c.*, c.cost_usd IS NULL AND c.billable AS unpriced
    FROM call c
   WHERE (c.billable OR c.cost_usd > 0)
     AND (c.day_number, c.billed_model) IN (
           SELECT * FROM unnest(%(day_numbers)s::integer[], %(models)s::text[]))
), placed AS (
  SELECT j.*, row_number() OVER (
           PARTITION BY j.day_number, j.billed_model, j.price_id, j.interrupted, j.estimated,
                        j.partial, j.renamed, j.over_midnight, j.unpriced
           ORDER BY j.at, j.id) AS place
    FROM judged j
)
SELECT day_number, billed_model, coalesce(price_id, '') AS price_id, interrupted, estimated,
       partial, renamed, over_midnight, unpriced, id::text
  FROM placed
 WHERE place <= %(shown)s
 ORDER BY at, id;

-- name: providers
-- Of the upstreams that this ledger was ever written for.
SELECT DISTINCT provider FROM meterr.upstream ORDER BY provider;
