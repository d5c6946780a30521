-- As role meterr_app.

-- name: take_turn
select meterr.take_question_turn(%(asker)s, %(turns_max)s, make_interval(secs => %(seconds)s));

-- name: end_turn
select meterr.end_question_turn(%(turn)s);
