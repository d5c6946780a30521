-- Around a tenant's statement, which is put into {body} as it was judged. The line break ends a
-- comment that it may end in. A row of more bytes than an answer may have is an error of the server
-- (there is no character 0) and is never sent; behind the limit, so that no other row is measured.

-- name: begin
-- Never committed: what a statement could leave behind is undone, and what is left then is forgotten.
begin transaction read only;

-- name: undo
rollback;

-- name: forget
-- What a transaction does not undo: locks that outlive it, what was prepared.
discard all;

-- name: ask
-- Prepared under the name that is explained: it is planned once, for both.
select * from (select * from (
{body}
) as question limit {limit}) as question
 where chr(case when octet_length((question.*)::text) > {bytes} then 0 else 1 end) is not null;

-- name: explain
explain (format json) execute question;

-- name: shorten
set statement_timeout = {milliseconds};

-- name: present_token
set meterr.query_token = {token};

-- name: describe_usage
-- As the services' role, which may read the catalogue.
select c.relname as relation, obj_description(c.oid, 'pg_class') as about, a.attname as column,
       format_type(a.atttypid, a.atttypmod) as type, col_description(c.oid, a.attnum) as meaning
  from pg_class c
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
 where c.relnamespace = 'usage'::regnamespace and c.relkind = 'v'
 order by c.relname, a.attnum;
