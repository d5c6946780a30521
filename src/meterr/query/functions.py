"""
The functions of pg_catalog that a question may call, by name. Pure.

A name stands for all of its overloads. What is here computes from its arguments, and nothing else:
no file, network, catalogue, setting, session, lock or sequence; no text that is run as SQL; no
state but the clock and random numbers. tests/query reads pg_proc of a real server to check this.
"""

from collections.abc import Mapping
from types import MappingProxyType

GROUPS: Mapping[str, str] = MappingProxyType({
    "aggregates": """
        count sum avg min max any_value bool_and bool_or every bit_and bit_or bit_xor
        array_agg string_agg json_agg jsonb_agg json_object_agg jsonb_object_agg range_agg
        json_agg_strict jsonb_agg_strict json_object_agg_strict jsonb_object_agg_strict
        json_object_agg_unique jsonb_object_agg_unique range_intersect_agg
        json_object_agg_unique_strict jsonb_object_agg_unique_strict""",
    "statistics": """
        stddev stddev_pop stddev_samp variance var_pop var_samp corr covar_pop covar_samp
        regr_slope regr_intercept regr_r2 regr_count regr_avgx regr_avgy regr_sxx regr_syy regr_sxy
        mode percentile_cont percentile_disc""",
    "windows": """
        row_number rank dense_rank percent_rank cume_dist ntile lag lead
        first_value last_value nth_value""",
    "mathematics": """
        abs ceil ceiling floor round trunc sign sqrt cbrt exp ln log log10 power pow mod div gcd lcm
        scale min_scale trim_scale width_bucket pi degrees radians erf erfc gamma lgamma
        sin cos tan cot asin acos atan atan2 sinh cosh tanh asinh acosh atanh
        sind cosd tand cotd asind acosd atand atan2d random random_normal
        num_nulls num_nonnulls bit_count factorial""",
    "text": """
        lower upper initcap casefold length char_length character_length octet_length bit_length
        btrim ltrim rtrim substring substr left right strpos position replace translate
        split_part reverse concat concat_ws starts_with ascii chr overlay repeat lpad rpad format
        regexp_replace regexp_match regexp_matches regexp_count regexp_substr regexp_like
        regexp_instr regexp_split_to_array regexp_split_to_table
        string_to_array string_to_table to_hex to_bin to_oct normalize is_normalized
        like_escape similar_to_escape quote_literal quote_ident quote_nullable""",
    "bytes and digests": """
        md5 sha224 sha256 sha384 sha512 encode decode convert_from convert_to crc32 crc32c
        get_bit get_byte set_bit set_byte hashtext hashtextextended""",
    "formatting": "to_char to_number to_date to_timestamp",
    "dates and times": """
        now clock_timestamp statement_timestamp transaction_timestamp timeofday
        date_trunc date_part date_bin date_add date_subtract extract age isfinite overlaps timezone
        make_date make_time make_timestamp make_timestamptz make_interval
        justify_days justify_hours justify_interval""",
    "casts in the form of a call": """
        bool int2 int4 int8 float4 float8 numeric text varchar bpchar date time timetz timestamp
        timestamptz interval""",
    "arrays": """
        unnest array_length array_ndims array_dims array_lower array_upper cardinality
        array_position array_positions array_remove array_replace array_append array_prepend
        array_cat array_to_string array_to_json trim_array array_sample array_shuffle array_sort
        array_reverse""",
    "series": "generate_series generate_subscripts",
    "json": """
        to_json to_jsonb row_to_json json_object jsonb_object
        json_build_object jsonb_build_object json_build_array jsonb_build_array
        json_to_record jsonb_to_record json_to_recordset jsonb_to_recordset
        json_array_length jsonb_array_length json_typeof jsonb_typeof
        json_array_elements jsonb_array_elements json_array_elements_text jsonb_array_elements_text
        json_each jsonb_each json_each_text jsonb_each_text json_object_keys jsonb_object_keys
        json_extract_path jsonb_extract_path json_extract_path_text jsonb_extract_path_text
        json_strip_nulls jsonb_strip_nulls jsonb_pretty jsonb_set jsonb_set_lax jsonb_insert
        jsonb_concat jsonb_contains jsonb_exists
        jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_path_exists
        jsonb_path_match jsonb_path_query_tz jsonb_path_query_array_tz jsonb_path_query_first_tz
        jsonb_path_exists_tz jsonb_path_match_tz""",
    "ranges": """
        isempty lower_inc upper_inc lower_inf upper_inf range_merge multirange
        int4range int8range numrange tsrange tstzrange daterange
        int4multirange int8multirange nummultirange tsmultirange tstzmultirange datemultirange""",
    "text search": """
        to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery ts_rank
        ts_rank_cd ts_headline json_to_tsvector jsonb_to_tsvector tsvector_to_array
        array_to_tsvector setweight strip ts_delete ts_filter tsquery_phrase numnode querytree""",
    "points and shapes": "point box circle lseg area center diameter width height",
    "addresses and ids": """
        host abbrev family masklen netmask network broadcast hostmask set_masklen inet_merge
        inet_same_family gen_random_uuid uuidv4 uuidv7 uuid_extract_timestamp
        uuid_extract_version""",
})  # fmt: skip

FUNCTIONS: frozenset[str] = frozenset(" ".join(GROUPS.values()).split())

# Functions that take a whole row of a subquery: they count it, gather it, or write it as JSON.
ROW_TAKERS = frozenset({
    "count", "array_agg", "row_to_json", "to_json", "to_jsonb", "json_agg", "jsonb_agg",
    "json_agg_strict", "jsonb_agg_strict", "json_build_object", "jsonb_build_object",
    "json_build_array", "jsonb_build_array", "json_object_agg", "jsonb_object_agg",
})  # fmt: skip

# Functions whose rows have columns of their own; tests compare them with pg_proc.
ROW_COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "json_each": ("key", "value"),
    "jsonb_each": ("key", "value"),
    "json_each_text": ("key", "value"),
    "jsonb_each_text": ("key", "value"),
})  # fmt: skip

# Functions whose result is a tsvector: unnest of it makes rows with columns of their own.
TSVECTORS = frozenset({
    "to_tsvector", "json_to_tsvector", "jsonb_to_tsvector", "array_to_tsvector", "setweight",
    "strip", "ts_delete", "ts_filter",
})  # fmt: skip
LEXEMES = ("lexeme", "positions", "weights")

# Functions whose columns the statement defines: ``jsonb_to_recordset(j) as x(a int, b text)``.
DEFINED_ROWS = frozenset(
    {"json_to_record", "jsonb_to_record", "json_to_recordset", "jsonb_to_recordset"}
)

# Functions of one value whose column keeps this name, whatever alias they get in FROM.
RESULT_NAMES: Mapping[str, str] = MappingProxyType({
    "json_array_elements": "value",
    "jsonb_array_elements": "value",
    "json_array_elements_text": "value",
    "jsonb_array_elements_text": "value",
})  # fmt: skip

# Functions whose result has the type of an argument's elements, which may be a row of its own.
ELEMENT_RESULTS = frozenset({"unnest", "lower", "upper"})

# Functions whose result is an array of text, whatever their arguments are.
TEXT_ARRAYS = frozenset({"string_to_array", "regexp_split_to_array", "regexp_match"})

# What people who know another database write, and what does it here.
INSTEAD: Mapping[str, str] = MappingProxyType({
    "ifnull": "coalesce(a, b)",
    "isnull": "coalesce(a, b), or a IS NULL",
    "nvl": "coalesce(a, b)",
    "iif": "CASE WHEN condition THEN a ELSE b END",
    "if": "CASE WHEN condition THEN a ELSE b END",
    "year": "extract(year from a)",
    "month": "extract(month from a)",
    "day": "extract(day from a)",
    "hour": "extract(hour from a)",
    "week": "extract(week from a)",
    "quarter": "extract(quarter from a)",
    "dayofweek": "extract(dow from a)",
    "weekday": "extract(isodow from a)",
    "date_format": "to_char(a, 'YYYY-MM-DD')",
    "strftime": "to_char(a, 'YYYY-MM-DD')",
    "datediff": "a::date - b::date",
    "date_diff": "a::date - b::date",
    "timestampdiff": "extract(epoch from a - b)",
    "dateadd": "a + interval '1 day'",
    "date_sub": "a - interval '1 day'",
    "getdate": "now()",
    "sysdate": "now()",
    "curdate": "current_date",
    "unix_timestamp": "extract(epoch from a)",
    "from_unixtime": "to_timestamp(a)",
    "group_concat": "string_agg(a, ', ')",
    "listagg": "string_agg(a, ', ')",
    "collect_list": "array_agg(a)",
    "median": "percentile_cont(0.5) within group (order by a)",
    "quantile": "percentile_cont(0.5) within group (order by a)",
    "approx_count_distinct": "count(distinct a)",
    "countif": "count(*) filter (where condition)",
    "instr": "strpos(a, b)",
    "charindex": "strpos(b, a)",
    "len": "length(a)",
    "substring_index": "split_part(a, b, 1)",
    "rand": "random()",
    "json_extract": "a -> 'key', or jsonb_path_query(a, '$.key')",
    "to_varchar": "a::text",
    "toint": "a::int",
    "safe_cast": "a::int",
    "array_size": "cardinality(a)",
    # One call of it fills a gigabyte and cannot be cancelled, so no tenant's login may call it.
    "array_fill": "array(select a from generate_series(1, n))",
})  # fmt: skip
