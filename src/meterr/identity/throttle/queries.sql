-- Runs as role meterr_identity ------------------------------------------------------------------

-- name: make_windows
-- In the order given, which is the order in which everybody locks: nobody waits in a circle.
insert into meterr.sign_in_window (kind, subject, touched_ms)
select kind, subject, %(now_ms)s
  from unnest(%(kinds)s::text[], %(subjects)s::bytea[]) with ordinality as t (kind, subject, place)
 order by place
on conflict do nothing;

-- name: lock_windows
select kind, subject, began_ms, attempts, level, blocked_to_ms, passed_ms
  from meterr.sign_in_window
 where (kind, subject) in (select * from unnest(%(kinds)s::text[], %(subjects)s::bytea[]))
 order by kind, subject
   for update;

-- name: write_windows
update meterr.sign_in_window w
   set began_ms = t.began_ms, attempts = t.attempts, level = t.level,
       blocked_to_ms = t.blocked_to_ms, passed_ms = t.passed_ms, touched_ms = %(now_ms)s
  from unnest(%(kinds)s::text[], %(subjects)s::bytea[], %(began)s::bigint[], %(attempts)s::int[],
              %(levels)s::int[], %(blocked)s::bigint[], %(passed)s::bigint[])
    as t (kind, subject, began_ms, attempts, level, blocked_to_ms, passed_ms)
 where w.kind = t.kind and w.subject = t.subject;

-- name: prune
select meterr.prune_people(%(now_ms)s) as pruned;
