insert into calls (model) values ('x')

insert into calls select * from calls returning *

delete from calls

update calls set cost_usd = 0

merge into calls using models on false when not matched then insert default values

create schema mine

alter table calls disable row level security

alter table calls owner to current_user

alter collation "x" refresh version

alter domain d drop not null

grant select on calls to public

revoke all on calls from public

grant mq_reader to current_user

alter default privileges grant select on tables to public

copy calls to stdout

copy calls to program 'cat > x'

copy (select set_config('role', 'meterr_owner', false)) to stdout

copy calls from '/etc/passwd'

set role meterr_owner

set session authorization postgres

set local app.current_tenant = 'other'

set search_path = pg_catalog

reset role

reset all

show all

show search_path

create table t (a int)

create temp table t as select * from calls

create tablespace s location '/x'

drop tablespace s

alter tablespace s set (seq_page_cost = 1)

alter table all in tablespace a set tablespace b

create extension dblink

alter extension plpgsql update

alter extension plpgsql add table t

create foreign data wrapper w

alter foreign data wrapper w options (a 'b')

create server s foreign data wrapper w

alter server s version '2'

create foreign table ft (a int) server s

create user mapping for current_user server s

alter user mapping for current_user server s options (a 'b')

drop user mapping for current_user server s

import foreign schema public from server s into public

create policy p on calls using (true)

alter policy p on calls using (true)

create access method m type table handler h

create trigger t before insert on calls execute function f()

create event trigger t on ddl_command_start execute function f()

alter event trigger t disable

create language l handler h

create role r login

create user r superuser

alter role current_user superuser

alter role r set search_path = x

drop role r

create sequence s

alter sequence s restart

create aggregate a (int) (sfunc = int4pl, stype = int)

create operator === (leftarg = int, rightarg = int, function = int4eq)

create domain d as int

create operator class c for type int using btree as operator 1 <

create operator family f using btree

alter operator family f using btree drop function 1 (int)

drop table calls

drop view calls cascade

truncate calls

comment on table calls is 'x'

security label on table calls is 'x'

declare c cursor for select * from calls

declare c cursor for select set_config('role', 'other', false)

close c

fetch all from c

move 1 in c

create index i on calls (model)

create statistics s on model, provider from calls

alter statistics s set statistics 1

create function f() returns int language sql as 'select 1'

create procedure p() language sql as 'select 1'

alter function f() security definer

do $$ begin perform set_config('role', 'other', false); end $$

do language plpgsql 'begin end'

call p()

alter table calls rename to mine

alter function f() depends on extension x

alter table calls set schema mine

alter schema public owner to current_user

alter operator = (int, int) set (restrict = none)

alter type t set (storage = plain)

create rule r as on select to calls do instead select 1

notify channel, 'payload'

listen channel

unlisten *

begin

begin transaction read write

commit

rollback

savepoint s

start transaction isolation level serializable

commit and chain

prepare transaction 'x'

create type t as (a int)

create type t as enum ('a')

create type t as range (subtype = int)

alter type t add value 'b'

create view v as select set_config('role', 'other', false)

load 'library'

create database d

alter database d with connection limit 1

alter database d refresh collation version

alter database d set search_path = x

drop database d

alter system set log_statement = 'none'

cluster calls

vacuum calls

analyze calls

explain select 1

explain (analyze) select set_config('role', 'other', false)

explain analyze select * from calls

create table t as select * from calls

create materialized view v as select 1

refresh materialized view v

checkpoint

discard all

lock table calls

set constraints all deferred

reindex table calls

create conversion c for 'UTF8' to 'LATIN1' from f

create cast (text as int) with inout

create transform for int language sql (from sql with function f(internal), to sql with function g(internal))

prepare p as select set_config('role', 'other', false)

execute p

deallocate p

drop owned by current_user

reassign owned by current_user to other

alter text search dictionary d (a = b)

alter text search configuration c add mapping for word with simple

create publication p for all tables

alter publication p set (publish = 'insert')

create subscription s connection 'host=x' publication p

alter subscription s disable

drop subscription s

values (set_config('role', 'other', false))
