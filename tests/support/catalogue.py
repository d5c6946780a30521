"""What a database consists of, as text, read from PostgreSQL's own catalogue."""

import psycopg
from psycopg import Connection

# Each query returns (what, definition); together they are everything that migrations can change.
_PARTS = {
    "schema": """
        select nspname, concat_ws(' | ', pg_get_userbyid(nspowner), nspacl::text)
          from pg_namespace where nspname in ('meterr', 'usage')""",
    "relation": """
        select c.relname, concat_ws(' | ', c.relkind, c.relpersistence, pg_get_userbyid(c.relowner),
               'rls', c.relrowsecurity, c.relforcerowsecurity, c.reloptions::text,
               'part', c.relispartition, pg_get_expr(c.relpartbound, c.oid),
               case when c.relkind = 'p' then pg_get_partkeydef(c.oid) end,
               case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end,
               (select string_agg(item::text, ',' order by item::text) from unnest(c.relacl) item))
          from pg_class c where c.relnamespace::regnamespace::text in ('meterr', 'usage')""",
    "column": """
        select c.relname || '.' || a.attname, concat_ws(' | ', a.attnum,
               format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attcollation::regcollation,
               a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid), a.attacl::text)
          from pg_class c
          join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
          left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
         where c.relnamespace::regnamespace::text in ('meterr', 'usage')""",
    "constraint": """
        select conrelid::regclass || ' ' || conname,
               concat_ws(' | ', pg_get_constraintdef(oid), convalidated, condeferrable)
          from pg_constraint where connamespace::regnamespace::text in ('meterr', 'usage')""",
    "index": """
        select indexrelid::regclass::text, pg_get_indexdef(indexrelid)
          from pg_index join pg_class c on c.oid = indexrelid
         where c.relnamespace::regnamespace::text in ('meterr', 'usage')""",
    "policy": """
        select polrelid::regclass || ' ' || polname, concat_ws(' | ', polcmd, polpermissive,
               (select string_agg(pg_get_userbyid(r), ',' order by r) from unnest(polroles) r),
               pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
          from pg_policy""",
    "function": """
        select p.oid::regprocedure::text, concat_ws(' | ', pg_get_functiondef(p.oid),
               pg_get_userbyid(p.proowner), p.proacl::text)
          from pg_proc p where p.pronamespace::regnamespace::text in ('meterr', 'usage')""",
    "trigger": """
        select tgrelid::regclass || ' ' || tgname,
               concat_ws(' | ', pg_get_triggerdef(t.oid), tgenabled)
          from pg_trigger t join pg_class c on c.oid = t.tgrelid
         where c.relnamespace::regnamespace::text in ('meterr', 'usage') and not tgisinternal""",
    "sequence": """
        select seqrelid::regclass::text, concat_ws(' | ', seqtypid::regtype, seqstart, seqincrement,
               seqmin, seqmax, seqcache, seqcycle)
          from pg_sequence""",
    "type": """
        select typname, concat_ws(' | ', typtype, pg_get_userbyid(typowner), typacl::text)
          from pg_type where typnamespace::regnamespace::text in ('meterr', 'usage')""",
    "default privilege": """
        select concat_ws(' ', pg_get_userbyid(defaclrole), defaclnamespace, defaclobjtype),
               defaclacl::text
          from pg_default_acl""",
    "comment": """
        select concat_ws('.', c.relnamespace::regnamespace, c.relname, a.attname), d.description
          from pg_description d
          join pg_class c on c.oid = d.objoid and d.classoid = 'pg_class'::regclass
          left join pg_attribute a on a.attrelid = c.oid and a.attnum = d.objsubid and a.attnum > 0
         where c.relnamespace::regnamespace::text in ('meterr', 'usage')""",
}


def snapshot(dsn: str) -> dict[str, str]:
    """Return everything in the schemas of meterr, as ``"kind name" -> definition``."""
    found: dict[str, str] = {}
    with psycopg.connect(dsn) as connection:
        for kind, query in _PARTS.items():
            for name, definition in connection.execute(query).fetchall():
                found[f"{kind} {name}"] = definition
    return found


def relations_with_tenant_id(connection: Connection, kinds: str = "rpvm") -> set[str]:
    """Return the names of all relations of the given kinds that have a ``tenant_id``."""
    rows = connection.execute(
        """select c.relname from pg_class c
             join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
            where c.relnamespace = 'meterr'::regnamespace and c.relkind = any(%s)
              and not a.attisdropped""",
        [list(kinds)],
    )
    return {name for (name,) in rows.fetchall()}
