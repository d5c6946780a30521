-- The group roles of meterr. Runs before every migration, changes nothing when all is in place.
-- None of them can log in, is superuser or bypasses row-level security; the login that meterr
-- connects with is a member of each and takes one on per session (-c role=...).
--
-- Works for a superuser, for a login with CREATEROLE (PostgreSQL 15: may grant membership; 16 and
-- later: holds ADMIN on what it created and grants itself SET), and for a login without either
-- when an administrator has run this file before with: set meterr.login = '<the login>'.
do $roles$
declare
  login name := coalesce(nullif(current_setting('meterr.login', true), ''), session_user);
  wanted name;
  present pg_roles;
begin
  if current_setting('server_version_num')::int < 150000 then
    raise exception 'meterr needs PostgreSQL 15 or later, this server is %',
      current_setting('server_version') using errcode = 'feature_not_supported';
  end if;
  if current_setting('server_encoding') <> 'UTF8' then
    raise exception 'meterr needs a database with encoding UTF8, this one has %',
      current_setting('server_encoding') using errcode = 'feature_not_supported';
  end if;

  -- The reader is for the logins of tenants alone: meterr's own is no member of it.
  foreach wanted in array array['meterr_owner', 'meterr_app', 'meterr_auth', 'meterr_drain', 'meterr_identity',
                                'meterr_reader'] loop
    select r.* into present from pg_roles r where r.rolname = wanted;
    if not found then
      begin
        execute format('create role %I nologin nosuperuser nocreatedb nocreaterole noreplication nobypassrls', wanted);
      exception when duplicate_object or unique_violation then
        null;  -- another process, migrating another database of this server, was faster
      end;
    elsif present.rolcanlogin or present.rolsuper or present.rolbypassrls or present.rolcreaterole then
      raise exception 'role % may log in, create roles or bypass row-level security; meterr does not run on such a role', wanted
        using errcode = 'invalid_grant_operation';
    end if;

    continue when wanted = 'meterr_reader';
    begin
      if current_setting('server_version_num')::int >= 160000 then
        if not pg_has_role(login, wanted, 'SET') then
          execute format('grant %I to %I with inherit false, set true', wanted, login);
        end if;
      elsif not pg_has_role(login, wanted, 'MEMBER') then
        execute format('grant %I to %I', wanted, login);
      end if;
    exception when unique_violation then
      null;  -- as above
    end;
  end loop;

  -- The owner makes the schema; asked only until it exists.
  if to_regnamespace('meterr') is null
     and not has_database_privilege('meterr_owner', current_database(), 'CREATE') then
    execute format('grant create on database %I to meterr_owner', current_database());
  end if;

  -- The drain copies into a table of its session. PUBLIC may make those unless somebody took it away.
  if not has_database_privilege('meterr_drain', current_database(), 'TEMPORARY') then
    execute format('grant temporary on database %I to meterr_drain', current_database());
  end if;
end
$roles$;
