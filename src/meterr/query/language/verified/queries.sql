-- As role meterr_app, in the transaction of the tenant.

-- name: save_question
-- No row when the tenant has as many as it may. Two at once may both be the last one.
insert into meterr.verified_question
  (tenant_id, question_id, source, question, intent, sql, author)
select %(tenant_id)s, %(question_id)s, %(source)s, %(question)s, %(intent)s, %(sql)s, %(author)s
 where (select count(*) from meterr.verified_question v
         where v.source = %(source)s and v.ended_at is null and v.question <> %(question)s) < %(questions_max)s
on conflict (tenant_id, source, question) do update
   set intent = excluded.intent, sql = excluded.sql, author = excluded.author,
       created_at = now(), ended_at = null
returning question_id::text, source, question, intent, sql, author,
          floor(extract(epoch from created_at) * 1000)::bigint as created_at_ms;

-- name: list_questions
select question_id::text, source, question, intent, sql, author,
       floor(extract(epoch from created_at) * 1000)::bigint as created_at_ms
  from meterr.verified_question
 where source = %(source)s and ended_at is null
 order by question
 limit %(questions_max)s;

-- name: remove_question
update meterr.verified_question set ended_at = now()
 where question_id = %(question_id)s and ended_at is null;
