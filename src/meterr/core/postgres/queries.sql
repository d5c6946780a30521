-- name: data_directory
select current_setting('data_directory') as path;

-- name: has_login
select exists (select from pg_roles where rolname = 'meterr') as present;

-- name: create_login
-- Only a login: what it may do comes from the group roles, taken on one at a time (noinherit).
create role meterr login noinherit nosuperuser nocreatedb nocreaterole noreplication nobypassrls;

-- name: set_login_password
-- The parameter is a SCRAM verifier; the password itself never reaches the server or its log.
alter role meterr password %(verifier)s;

-- name: has_database
select exists (select from pg_database where datname = 'meterr') as present;

-- name: create_database
create database meterr;

-- name: roles_are_for_the_login
select set_config('meterr.login', 'meterr', false);
