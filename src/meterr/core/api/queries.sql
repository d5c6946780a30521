-- Runs as role meterr_identity ------------------------------------------------------------------

-- name: count_request
-- One statement, so that two processes never count one request for two. A full window is not
-- counted on: its number stays within bounds, and waiting is enough to be let in again.
insert into meterr.api_window as held (caller, began_ms, requests)
values (%(caller)s, %(now_ms)s, 1)
on conflict (caller) do update
   set began_ms = case when %(now_ms)s - held.began_ms between 0 and %(window_ms)s - 1
                       then held.began_ms else excluded.began_ms end,
       requests = case when %(now_ms)s - held.began_ms between 0 and %(window_ms)s - 1
                       then least(held.requests, %(quota)s) + 1 else 1 end
returning began_ms, requests;

-- name: prune
select meterr.prune_people(%(now_ms)s) as pruned;
