-- The whole schema of meterr, for readers. Migrations build it; a test builds it both ways and
-- finds no difference. Runs as meterr_owner, after roles.sql.
--
-- Rules of this page: tenant_id leads every primary key of tenant data; row-level security is
-- enabled AND forced on every table that has a tenant_id; what a role may do is granted here, by
-- name, and nothing is granted to PUBLIC; money is numeric, never float.

create schema meterr;

-- Functions are executable by everybody unless this is said before they are made.
alter default privileges revoke execute on functions from public;

create table meterr.schema_migration (
  version     integer     primary key check (version > 0),
  name        text        not null,
  sha256      text        not null check (sha256 ~ '^[0-9a-f]{64}$'),
  applied_at  timestamptz not null default now()
);


-- Tenants and their keys --------------------------------------------------------------------

-- One counter orders every change to a tenant or key. A snapshot that has seen version n ignores
-- anything older, in whatever order notifications and reads arrive.
create sequence meterr.identity_version;

create table meterr.tenant (
  tenant_id      uuid        primary key,
  name           text        not null unique check (name <> ''),
  state          text        not null default 'active' check (state in ('active', 'disabled')),
  unknown_price  text        not null default 'refuse' check (unknown_price in ('refuse', 'flag')),
  time_zone      text        not null default 'UTC',
  created_at     timestamptz not null default now(),
  version        bigint      not null default 0
);

create table meterr.api_key (
  tenant_id    uuid        not null references meterr.tenant,
  key_id       uuid        not null,
  name         text        not null,
  environment  text        not null check (environment in ('live', 'test')),
  mac          bytea       not null unique check (octet_length(mac) = 32),
  pepper_id    text        not null,
  last4        text        not null,
  scopes       text[]      not null,
  models       text[],
  expires_at   timestamptz,
  state        text        not null default 'active' check (state in ('active', 'revoked')),
  created_at   timestamptz not null default now(),
  revoked_at   timestamptz,
  -- Who answers for it, as limits name them; and the member whose key it is, if it is a person's,
  -- with the beginning of that membership.
  owner          text      not null default '',
  owner_user_id  uuid,
  owner_since    timestamptz,
  -- The most output tokens of a call that names no bound itself; null: the model's own maximum.
  output_tokens_default  bigint  check (output_tokens_default > 0),
  send_output_default    boolean not null default false,
  -- Where calls may come from; null: anywhere. The type refuses bits beside the mask.
  networks      cidr[]      check (cardinality(networks) > 0),
  -- The key that made this one, whose scopes and whose successors' hold it too; null: a person did.
  created_by    uuid,
  -- Who asked for it, and for the first key of its line.
  author        text      not null default '',
  -- The oldest key of its line, which limits of a key name; null: itself.
  first_key_id  uuid,
  successor_id  uuid,
  -- A key that has or awaits a successor counts until then, and never past expires_at. Never later
  -- than it once was.
  grace_until   timestamptz,
  -- When its policy wants it replaced, set with notice, and when that ends it. Another policy may
  -- say otherwise.
  due_at        timestamptz,
  due_until     timestamptz,
  emergency_id  uuid,
  -- Revoked as this one key, not as one of all: nobody follows it.
  for_good      boolean     not null default false,
  version      bigint      not null default 0,
  primary key (tenant_id, key_id),
  foreign key (tenant_id, created_by) references meterr.api_key,
  foreign key (tenant_id, first_key_id) references meterr.api_key,
  foreign key (tenant_id, successor_id) references meterr.api_key,
  constraint revoked_has_a_time check ((state = 'revoked') = (revoked_at is not null)),
  constraint revoked_for_good check (not for_good or state = 'revoked'),
  constraint due_ends_it check ((due_at is null) = (due_until is null)),
  constraint owner_has_a_beginning check ((owner_user_id is null) = (owner_since is null))
) with (fillfactor = 50);  -- room for the one change that ends every key at once, in place

create index api_key_of_line on meterr.api_key (tenant_id, first_key_id)
  where first_key_id is not null;
create index api_key_made_by on meterr.api_key (tenant_id, created_by)
  where created_by is not null;

-- Budgets, rates and concurrency that a tenant, an owner of keys, a key or an upstream is held to. A
-- rule is ended, never deleted: its version stays the highest that its tenant has seen. `subject` is
-- an owner's name, a key's id or an upstream's name; upstreams belong to no tenant, so their rules
-- have the nil id. `model` is a pattern as keys have it, '' for every model.
create table meterr.limit_rule (
  tenant_id   uuid           not null,
  limit_id    uuid           not null,
  measure     text           not null check (measure in ('usd', 'requests', 'tokens', 'concurrency')),
  scope       text           not null check (scope in ('tenant', 'owner', 'key', 'upstream')),
  subject     text           not null default '',
  model       text           not null default '',
  span        text           not null,
  amount      numeric(38,18) not null check (amount >= 0 and amount <> 'NaN'),
  hard        boolean        not null default true,
  created_at  timestamptz    not null default now(),
  ended_at    timestamptz,
  version     bigint         not null default 0,
  primary key (tenant_id, limit_id),
  constraint subject_of_scope check ((scope = 'tenant') = (subject = '')),
  constraint upstreams_are_nobodys check (
    (scope = 'upstream') = (tenant_id = '00000000-0000-0000-0000-000000000000')),
  constraint span_of_measure check (case measure
    when 'usd' then span in ('day', 'week', 'month', 'total')
    when 'concurrency' then span = 'call'
    else span = 'minute' end),
  constraint whole_unless_money check (measure = 'usd' or amount = trunc(amount))
);

create unique index limit_rule_in_force
  on meterr.limit_rule (tenant_id, measure, scope, subject, model, span) where ended_at is null;
create index limit_rule_by_version on meterr.limit_rule (tenant_id, version);

create function meterr.stamp_identity_version() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  new.version := nextval('meterr.identity_version');
  return new;
end
$$;

create function meterr.keep_revoked() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'a revoked key stays revoked' using errcode = 'check_violation';
end
$$;

-- For times of what must never come back, named by the trigger's argument: once set they are never
-- cleared and never moved to later. Earlier is allowed: an end may come sooner.
create function meterr.keep_end() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  was timestamptz := to_jsonb(old) ->> tg_argv[0];
  becomes timestamptz := to_jsonb(new) ->> tg_argv[0];
begin
  if becomes is null or becomes > was then
    raise exception '% of % never goes back', tg_argv[0], tg_table_name
      using errcode = 'check_violation';
  end if;
  return new;
end
$$;

-- No check constraint: what it would compare with changes with the server's files, and a dump must
-- come back whatever they say. Names are exact: POSIX rules and other cases are no IANA zones.
create function meterr.known_time_zone() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from pg_timezone_names where name = new.time_zone) then
    raise exception 'the time zone % is unknown', quote_literal(new.time_zone)
      using errcode = 'invalid_parameter_value';
  end if;
  return new;
end
$$;

-- Delivered by PostgreSQL when, and only if, the transaction commits.
create function meterr.announce_key() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  subject meterr.api_key := coalesce(new, old);
begin
  if tg_op = 'DELETE' then
    subject.version := nextval('meterr.identity_version');
  end if;
  perform pg_notify('meterr_identity', json_build_object(
    'key_id', subject.key_id, 'mac', encode(subject.mac, 'hex'), 'version', subject.version)::text);
  if tg_op <> 'UPDATE' then
    return null;
  end if;
  -- One that moved to another pepper is forgotten under the MAC that it had, too.
  if old.mac <> new.mac then
    perform pg_notify('meterr_identity', json_build_object(
      'key_id', new.key_id, 'mac', encode(old.mac, 'hex'), 'version', new.version)::text);
  end if;
  -- Keys that it made are held to its scopes.
  if old.scopes <> new.scopes then
    perform pg_notify('meterr_identity', json_build_object(
      'tenant_id', new.tenant_id, 'version', new.version)::text);
  end if;
  return null;
end
$$;

create function meterr.announce_tenant() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  subject meterr.tenant := coalesce(new, old);
begin
  if tg_op = 'DELETE' then
    subject.version := nextval('meterr.identity_version');
  end if;
  perform pg_notify('meterr_identity', json_build_object(
    'tenant_id', subject.tenant_id, 'version', subject.version)::text);
  return null;
end
$$;

-- A changed rule is a changed tenant: its keys are read again, and their limits with them.
create function meterr.announce_limit() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_notify('meterr_identity', json_build_object(
    'tenant_id', new.tenant_id, 'version', new.version)::text);
  return null;
end
$$;

create trigger stamp_version before insert or update on meterr.tenant
  for each row execute function meterr.stamp_identity_version();
create trigger announce after insert or update or delete on meterr.tenant
  for each row execute function meterr.announce_tenant();
create trigger known_time_zone before insert or update of time_zone on meterr.tenant
  for each row when (new.time_zone <> 'UTC') execute function meterr.known_time_zone();
create trigger stamp_version before insert on meterr.api_key
  for each row execute function meterr.stamp_identity_version();
-- Only the owner's functions may set a version themselves, and an emergency tells its tenants.
create trigger stamp_changed_version before update on meterr.api_key
  for each row when (new.version = old.version) execute function meterr.stamp_identity_version();
create trigger keep_revoked before update on meterr.api_key
  for each row when (old.state = 'revoked' and (new.state <> 'revoked' or old.for_good > new.for_good))
  execute function meterr.keep_revoked();
create trigger keep_revoked_at before update on meterr.api_key
  for each row when (old.revoked_at is not null and old.revoked_at is distinct from new.revoked_at)
  execute function meterr.keep_end('revoked_at');
create trigger keep_grace_until before update on meterr.api_key
  for each row when (old.grace_until is not null and old.grace_until is distinct from new.grace_until)
  execute function meterr.keep_end('grace_until');
create trigger announce after insert or delete on meterr.api_key
  for each row execute function meterr.announce_key();
create trigger announce_changed after update on meterr.api_key
  for each row when (new.emergency_id is not distinct from old.emergency_id)
  execute function meterr.announce_key();
create trigger keep_ended_at before update on meterr.limit_rule
  for each row when (old.ended_at is not null and old.ended_at is distinct from new.ended_at)
  execute function meterr.keep_end('ended_at');
create trigger stamp_version before insert or update on meterr.limit_rule
  for each row execute function meterr.stamp_identity_version();
create trigger announce after insert or update on meterr.limit_rule
  for each row execute function meterr.announce_limit();

alter table meterr.tenant enable row level security;
alter table meterr.tenant force row level security;
alter table meterr.api_key enable row level security;
alter table meterr.api_key force row level security;
alter table meterr.limit_rule enable row level security;
alter table meterr.limit_rule force row level security;

-- The tenant of this transaction is a setting that only our code makes (Database.tenant_transaction).
-- Unset it is null, and null equals nothing: forgetting it shows no row rather than every row. It is
-- '' and not null after a transaction has ended on the same connection, hence nullif.
create policy own_rows on meterr.tenant to meterr_app
  using (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid);
create policy own_rows on meterr.api_key to meterr_app
  using (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid);
create policy own_rows on meterr.limit_rule to meterr_app
  using (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid);

-- The view below and list_tenants() run as the owner, which forced row-level security also holds.
create policy owner_reads on meterr.tenant for select to meterr_owner using (true);
create policy owner_reads on meterr.api_key for select to meterr_owner using (true);
create policy owner_reads on meterr.limit_rule for select to meterr_owner using (true);

-- For the operator's own commands, which then act as one tenant after the other.
create function meterr.list_tenants()
  returns table (tenant_id uuid, name text, state text, unknown_price text, time_zone text,
                 created_at timestamptz, version bigint)
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
  begin atomic
    select t.tenant_id, t.name, t.state, t.unknown_price, t.time_zone, t.created_at, t.version
      from meterr.tenant t
     order by t.created_at, t.tenant_id;
  end;


-- Upstreams and prices: global, the same for every tenant ------------------------------------

-- What each upstream name in the ledger meant.
create table meterr.upstream (
  name                text        primary key,
  provider            text        not null,
  openai_base_url     text,
  anthropic_base_url  text,
  first_seen_at       timestamptz not null default now(),
  last_seen_at        timestamptz not null default now()
);

create table meterr.price_override (
  override_id     uuid        primary key,
  provider        text        not null,
  model           text        not null,
  context         text        not null default 'standard',
  effective_from  timestamptz not null,
  effective_to    timestamptz check (effective_to > effective_from),
  rates           jsonb       not null,
  author          text        not null,
  reason          text        not null,
  created_at      timestamptz not null default now()
);

create table meterr.price_version (
  price_id       text        primary key,
  provider       text        not null,
  model          text        not null,
  match          text        not null,
  source         text        not null,
  context        text        not null,
  rates          jsonb       not null,
  first_seen_at  timestamptz not null default now()
);


-- The ledger: append-only, one partition per UTC day ------------------------------------------

-- `at` is the time inside `id` (UUIDv7), so (tenant_id, id, at) is one fact and a true key under
-- partitioning. Token columns carry the names of ledger.model.Usage. Texts have no length limit
-- here: they are bounded where a record is made, and one odd row must never stop the drain.
create table meterr.ledger_entry (
  tenant_id            uuid        not null,
  id                   uuid        not null,
  at                   timestamptz not null,
  key_id               uuid        not null,
  surface              text        not null,
  upstream             text        not null,
  provider             text        not null,
  model                text        not null,
  answered_model       text        not null default '',
  price_id             text,
  state                text        not null check (state in ('settled', 'interrupted', 'refused')),
  stream               boolean     not null default false,
  status               integer     not null default 0,
  outcome              text        not null default '',
  error                text        not null default '',
  estimate             text        not null default '',
  usage_known          boolean     not null,
  input                bigint      not null default 0,
  cache_read           bigint      not null default 0,
  cache_write_5m       bigint      not null default 0,
  cache_write_30m      bigint      not null default 0,
  cache_write_1h       bigint      not null default 0,
  cache_write_12h      bigint      not null default 0,
  input_audio          bigint      not null default 0,
  input_image          bigint      not null default 0,
  output               bigint      not null default 0,
  output_audio         bigint      not null default 0,
  output_image         bigint      not null default 0,
  reasoning            bigint      not null default 0,
  web_search           bigint      not null default 0,
  web_fetch            bigint      not null default 0,
  cost_usd             numeric(38,18) constraint cost_is_not_negative check (cost_usd >= 0),
  request_bytes        bigint      not null default 0,
  answer_bytes         bigint      not null default 0,
  first_byte_ms        bigint      not null default 0,
  duration_ms          bigint      not null default 0,
  provider_request_id  text        not null default '',
  leases               bigint[],
  drawn_usd            numeric(38,18) constraint drawn_is_not_negative check (drawn_usd >= 0),
  primary key (tenant_id, id, at),
  constraint refused_costs_nothing check (state <> 'refused' or cost_usd is null),
  constraint counts_are_not_negative check (
    least(input, cache_read, cache_write_5m, cache_write_30m, cache_write_1h, cache_write_12h,
          input_audio, input_image, output, output_audio, output_image, reasoning,
          web_search, web_fetch, request_bytes, answer_bytes, first_byte_ms, duration_ms) >= 0)
) partition by range (at);

create index ledger_entry_of_tenant on meterr.ledger_entry (tenant_id, at desc);
create index ledger_entry_by_time on meterr.ledger_entry using brin (at);

-- A call whose day has no partition lands here, so that no date is ever refused.
create table meterr.ledger_entry_default partition of meterr.ledger_entry default;

alter table meterr.ledger_entry enable row level security;
alter table meterr.ledger_entry force row level security;
-- Partitions carry no policy and no grant: whoever reaches one by name finds nothing.
alter table meterr.ledger_entry_default enable row level security;
alter table meterr.ledger_entry_default force row level security;

create policy own_rows on meterr.ledger_entry to meterr_app
  using (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid);
-- The drain writes for every tenant and reads none: no select policy, no select grant.
create policy drain_appends on meterr.ledger_entry for insert to meterr_drain with check (true);

-- For list_unknown_tenants() below, which runs as the owner.
create policy owner_reads on meterr.ledger_entry for select to meterr_owner using (true);

-- Tenants that stand in the ledger and nowhere else: no foreign key holds an entry to its tenant, so
-- that nothing can stop the drain. Steps from one tenant of the index to the next, whatever the size
-- of the ledger; shows ids and no row.
create function meterr.list_unknown_tenants() returns table (tenant_id uuid)
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
  begin atomic
    with recursive seen (tenant_id) as (
      (select e.tenant_id from meterr.ledger_entry e order by e.tenant_id limit 1)
      union all
      select (select e.tenant_id from meterr.ledger_entry e
               where e.tenant_id > s.tenant_id order by e.tenant_id limit 1)
        from seen s where s.tenant_id is not null
    )
    select s.tenant_id
      from seen s
     where s.tenant_id is not null
       and not exists (select from meterr.tenant t where t.tenant_id = s.tenant_id)
     order by s.tenant_id;
  end;

-- Makes the partitions of the days from_day..to_day (UTC, both included) that do not exist yet and
-- returns how many it made. Rows that waited in the default partition move to their day. Gives up
-- with lock_not_available rather than queue behind a long reader, and everybody else behind it.
create function meterr.ensure_ledger_partitions(from_day date, to_day date) returns integer
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
  set timezone = 'UTC'
  set lock_timeout = '2s'
as $$
declare
  day date := from_day;
  partition name;
  made integer := 0;
begin
  if from_day is null or to_day is null or to_day - from_day not between 0 and 400 then
    raise exception 'ensure_ledger_partitions: % to % is not between 1 and 401 days', from_day, to_day
      using errcode = 'invalid_parameter_value';
  end if;
  perform pg_advisory_xact_lock(hashtextextended('meterr.ensure_ledger_partitions', 0));
  while day <= to_day loop
    partition := 'ledger_entry_' || to_char(day, 'YYYYMMDD');
    if to_regclass('meterr.' || partition) is null then
      perform meterr.make_partition('ledger_entry', partition, day::timestamptz, (day + 1)::timestamptz);
      made := made + 1;
    end if;
    day := day + 1;
  end loop;
  return made;
end
$$;

-- One day of a table that is partitioned by `at` and has a default partition.
create function meterr.make_partition(of_table name, partition name, low timestamptz, high timestamptz)
  returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  waiting name := of_table || '_default';
  unmeasured text;
begin
  execute format('create table meterr.%I (like meterr.%I including defaults including constraints)',
                 partition, of_table);
  select string_agg(format('alter column %I set statistics 0', a.attname), ', ') into unmeasured
    from pg_attribute a
   where a.attrelid = format('meterr.%I', of_table)::regclass and a.attnum > 0 and a.attstattarget = 0;
  if unmeasured is not null then
    execute format('alter table meterr.%I %s', partition, unmeasured);
  end if;
  -- Forced security would hide the waiting rows from the owner too; nobody else can look while the
  -- lock of this ALTER is held, and it ends with the transaction.
  execute format('alter table meterr.%I no force row level security', waiting);
  execute format('with moved as (delete from meterr.%I where at >= %L and at < %L returning *) '
                 'insert into meterr.%I select * from moved', waiting, low, high, partition);
  execute format('alter table meterr.%I force row level security', waiting);
  execute format('alter table meterr.%I enable row level security, force row level security', partition);
  execute format('alter table meterr.%I attach partition meterr.%I for values from (%L) to (%L)',
                 of_table, partition, low, high);
end
$$;


-- Rollups: what hours and days add up to ------------------------------------------------------

-- Whether a provider may bill for an entry: it consumed something, or nothing was said about its usage
-- and the call did not fail.
create function meterr.may_be_billed(e meterr.ledger_entry) returns boolean
  language sql immutable
  return case when e.usage_known then greatest(
    e.input, e.cache_read, e.cache_write_5m, e.cache_write_30m, e.cache_write_1h, e.cache_write_12h,
    e.input_audio, e.input_image, e.output, e.output_audio, e.output_image,
    e.web_search, e.web_fetch) > 0
  else e.status < 400 end;

-- Each figure of one entry that sums are made of, defined once for rollups and raw sums alike.
-- Unpriced is what may be billed and has no cost. In the order of the columns of usage_hour, then
-- the id.
create view meterr.entry_figures with (security_invoker) as
  select tenant_id, at, null::bigint as line, key_id, model, answered_model, provider, upstream,
         surface, state, outcome,
         1 as calls,
         (state = 'refused')::int as refused,
         (state = 'interrupted')::int as interrupted,
         (state <> 'refused' and status >= 400)::int as failed,
         (cost_usd is null and state <> 'refused'
          and meterr.may_be_billed(e))::int as unpriced,
         (estimate <> '')::int as estimated,
         (error = 'usage-partial')::int as partial,
         cost_usd,
         input, cache_read, cache_write_5m, cache_write_30m, cache_write_1h, cache_write_12h,
         input_audio, input_image, output, output_audio, output_image, reasoning, web_search,
         web_fetch, id
    from meterr.ledger_entry e;

-- One line for each group of an hour (UTC). The rule of all that follows: an hour of a tenant either
-- has a mark in rollup_due, and then its raw rows count, or it has none, and then its lines here are
-- the exact sum of its raw rows. `line` is in the key because texts have no length limit, and an
-- index entry has.
create table meterr.usage_hour (
  tenant_id        uuid        not null,
  hour             timestamptz not null,
  line             bigint      not null generated always as identity,
  key_id           uuid        not null,
  model            text        not null,
  answered_model   text        not null,
  provider         text        not null,
  upstream         text        not null,
  surface          text        not null,
  state            text        not null,
  outcome          text        not null,
  calls            bigint      not null,
  refused          bigint      not null,
  interrupted      bigint      not null,
  failed           bigint      not null,
  unpriced         bigint      not null,
  estimated        bigint      not null,
  partial          bigint      not null,
  cost_usd         numeric,
  input            numeric     not null,
  cache_read       numeric     not null,
  cache_write_5m   numeric     not null,
  cache_write_30m  numeric     not null,
  cache_write_1h   numeric     not null,
  cache_write_12h  numeric     not null,
  input_audio      numeric     not null,
  input_image      numeric     not null,
  output           numeric     not null,
  output_audio     numeric     not null,
  output_image     numeric     not null,
  reasoning        numeric     not null,
  web_search       numeric     not null,
  web_fetch        numeric     not null,
  primary key (tenant_id, hour, line),
  constraint on_the_hour check (hour = date_bin('1 hour', hour, 'epoch'))
);

-- One line for each group of a day (UTC): always the sum of that day's lines in usage_hour.
create table meterr.usage_day (
  like meterr.usage_hour including identity,
  constraint on_the_day check (hour = date_bin('1 day', hour, 'epoch'))
);
alter table meterr.usage_day rename column hour to day;
-- After the renaming: an index keeps the names that its columns had, but not in a restored backup.
alter table meterr.usage_day add primary key (tenant_id, day, line);

-- The lines that a tenant's entries from low to high add up to, in steps of an hour or a day; of
-- `only_ids`, where they are given. Who stores the lines numbers them.
create function meterr.sum_entries(
  of_tenant uuid, low timestamptz, high timestamptz, step interval, only_ids uuid[] default null)
  returns setof meterr.usage_hour
  language sql stable
  begin atomic
    select f.tenant_id, date_bin(step, f.at, 'epoch'), null::bigint, f.key_id, f.model,
           f.answered_model, f.provider, f.upstream, f.surface, f.state, f.outcome,
           sum(f.calls), sum(f.refused), sum(f.interrupted), sum(f.failed), sum(f.unpriced),
           sum(f.estimated), sum(f.partial), sum(f.cost_usd), sum(f.input), sum(f.cache_read),
           sum(f.cache_write_5m), sum(f.cache_write_30m), sum(f.cache_write_1h),
           sum(f.cache_write_12h), sum(f.input_audio), sum(f.input_image), sum(f.output),
           sum(f.output_audio), sum(f.output_image), sum(f.reasoning), sum(f.web_search),
           sum(f.web_fetch)
      from meterr.entry_figures f
     where f.tenant_id = of_tenant and f.at >= low and f.at < high
       and (only_ids is null or f.id = any (only_ids))
     group by 1, 2, 4, 5, 6, 7, 8, 9, 10, 11
     order by 1, 2, 4, 5, 6, 7, 8, 9, 10, 11;
  end;

-- The same of the lines of hours, or of those of days.
create function meterr.sum_lines(
  lines_of text, of_tenant uuid, low timestamptz, high timestamptz, step interval)
  returns setof meterr.usage_hour
  language sql stable
  begin atomic
    select u.tenant_id, date_bin(step, u.hour, 'epoch'), null::bigint, u.key_id, u.model,
           u.answered_model, u.provider, u.upstream, u.surface, u.state, u.outcome,
           sum(u.calls), sum(u.refused), sum(u.interrupted), sum(u.failed), sum(u.unpriced),
           sum(u.estimated), sum(u.partial), sum(u.cost_usd), sum(u.input), sum(u.cache_read),
           sum(u.cache_write_5m), sum(u.cache_write_30m), sum(u.cache_write_1h),
           sum(u.cache_write_12h), sum(u.input_audio), sum(u.input_image), sum(u.output),
           sum(u.output_audio), sum(u.output_image), sum(u.reasoning), sum(u.web_search),
           sum(u.web_fetch)
      from (select h.* from meterr.usage_hour h where lines_of = 'hours'
             union all
            select d.* from meterr.usage_day d where lines_of = 'days') u
     where u.tenant_id = of_tenant and u.hour >= low and u.hour < high
     group by 1, 2, 4, 5, 6, 7, 8, 9, 10, 11
     order by 1, 2, 4, 5, 6, 7, 8, 9, 10, 11;
  end;

-- An hour whose raw rows its lines do not cover. Every transaction that adds rows adds a mark of its
-- own, so who sees a row sees its mark, and nobody waits for anybody.
create table meterr.rollup_due (
  tenant_id  uuid        not null,
  hour       timestamptz not null,
  mark       bigint      not null generated always as identity,
  primary key (tenant_id, hour, mark)
);

create index rollup_due_by_hour on meterr.rollup_due (hour);

-- Days whose raw rows retention has dropped. Their lines are all that is known of them: they are
-- never made again from rows, only added to.
create table meterr.dropped_day (
  day         date        primary key,
  dropped_at  timestamptz not null default now()
);

alter table meterr.usage_hour enable row level security;
alter table meterr.usage_hour force row level security;
alter table meterr.usage_day enable row level security;
alter table meterr.usage_day force row level security;
alter table meterr.rollup_due enable row level security;
alter table meterr.rollup_due force row level security;

create policy own_rows on meterr.usage_hour to meterr_app
  using (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid);
create policy own_rows on meterr.usage_day to meterr_app
  using (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid);
create policy own_rows on meterr.rollup_due to meterr_app
  using (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid);

-- For the functions below, which run as the owner.
create policy owner_keeps on meterr.usage_hour to meterr_owner using (true) with check (true);
create policy owner_keeps on meterr.usage_day to meterr_owner using (true) with check (true);
create policy owner_keeps on meterr.rollup_due to meterr_owner using (true) with check (true);

-- Runs once for all rows of an insert into the ledger, in its transaction: the hours that got new
-- rows are due. Rows of a dropped day are added to its lines instead, where nothing can be counted
-- again; rows that were there already are not among them.
create function meterr.mark_hours() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
  set timezone = 'UTC'
as $$
declare
  kept_from timestamptz := (select max(day) + 1 from meterr.dropped_day);
begin
  insert into meterr.rollup_due (tenant_id, hour)
  select t.tenant_id, t.hour
    from (select distinct e.tenant_id, date_bin('1 hour', e.at, 'epoch') as hour from added e) t
   where kept_from is null or t.hour >= kept_from
      or not exists (select from meterr.dropped_day d where d.day = t.hour::date);
  if kept_from is null or not exists (select from added where at < kept_from) then
    return null;
  end if;
  insert into meterr.usage_hour overriding user value
  select line.*
    from (select a.tenant_id, d.day, array_agg(a.id) as ids
            from added a join meterr.dropped_day d on d.day = a.at::date group by 1, 2) late
   cross join meterr.sum_entries(late.tenant_id, late.day, late.day + 1, '1 hour', late.ids) line;
  insert into meterr.usage_day overriding user value
  select line.*
    from (select a.tenant_id, d.day, array_agg(a.id) as ids
            from added a join meterr.dropped_day d on d.day = a.at::date group by 1, 2) late
   cross join meterr.sum_entries(late.tenant_id, late.day, late.day + 1, '1 day', late.ids) line;
  return null;
end
$$;

create trigger mark_hours after insert on meterr.ledger_entry
  referencing new table as added
  for each statement execute function meterr.mark_hours();

-- The first day after `after_day` with due hours that ended by then, and whose they are; no row when
-- there is none or another session is at it. A time of marks says what is worth doing, no more.
create function meterr.next_due_day(ended_by timestamptz, after_day timestamptz)
  returns table (day timestamptz, tenants uuid[])
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
  set timezone = 'UTC'
as $$
declare
  last_hour timestamptz := ended_by - interval '1 hour';
begin
  if not pg_try_advisory_xact_lock(hashtextextended('meterr.rollups', 0)) then
    return;
  end if;
  select date_bin('1 day', min(d.hour), 'epoch') into day
    from meterr.rollup_due d
   where d.hour >= after_day + interval '1 day' and d.hour <= last_hour;
  if day is null then
    return;
  end if;
  select array_agg(distinct d.tenant_id) into tenants
    from meterr.rollup_due d
   where d.hour >= day and d.hour < day + interval '1 day' and d.hour <= last_hour;
  return next;
end
$$;

-- Rolls up the due hours, ended by then, of one tenant's day. Returns how many hours, 0 when another
-- session is at it. Marks and rows are read in one statement, so by one snapshot: a row that comes
-- meanwhile keeps its own mark. An hour that gets rows later is due again, and right meanwhile. Gives
-- up with lock_not_available rather than keep other tenants waiting.
create function meterr.roll_up(whose uuid, of_day timestamptz, ended_by timestamptz) returns integer
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
  set timezone = 'UTC'
  set lock_timeout = '2s'
  set jit = off
  set work_mem = '64MB'
as $$
declare
  low timestamptz;
  high timestamptz;
  rolled integer;
begin
  if not pg_try_advisory_xact_lock(hashtextextended('meterr.rollups', 0)) then
    return 0;
  end if;
  select min(d.hour), max(d.hour) + interval '1 hour' into low, high
    from meterr.rollup_due d
   where d.tenant_id = whose and d.hour >= of_day and d.hour < of_day + interval '1 day'
     and d.hour <= ended_by - interval '1 hour';
  if low is null then
    return 0;
  end if;
  with taken as (
    delete from meterr.rollup_due d
     where d.tenant_id = whose and d.hour >= low and d.hour < high
    returning d.hour
  ), due as (
    select distinct hour from taken
  ), gone as (
    delete from meterr.usage_hour u using due where u.tenant_id = whose and u.hour = due.hour
  ), made as (
    insert into meterr.usage_hour overriding user value
    select line.*
      from meterr.sum_entries(whose, low, high, '1 hour') line
     where line.hour in (select hour from due)
  )
  select count(*) into rolled from due;
  delete from meterr.usage_day u where u.tenant_id = whose and u.day = of_day;
  insert into meterr.usage_day overriding user value
  select line.*
    from meterr.sum_lines('hours', whose, of_day, of_day + interval '1 day', '1 day') line;
  return rolled;
end
$$;

-- Leaves the newest mark of each hour; the drain makes one with every batch. Any mark says the same.
create function meterr.thin_marks() returns void
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '2s'
as $$
begin
  if not pg_try_advisory_xact_lock(hashtextextended('meterr.rollups', 0)) then
    return;
  end if;
  delete from meterr.rollup_due d
   using (select tenant_id, hour, max(mark) as newest
            from meterr.rollup_due group by tenant_id, hour having count(*) > 1) many
   where d.tenant_id = many.tenant_id and d.hour = many.hour and d.mark < many.newest;
end
$$;

-- Drops the raw rows of the oldest day before `before` that is rolled up, and returns the day; null
-- when there is none or another session is at it. Gives up with lock_not_available rather than make
-- callers queue. Not CONCURRENTLY: PostgreSQL detaches so only where there is no default partition.
create function meterr.drop_ledger_day(before date) returns date
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
  set timezone = 'UTC'
  set lock_timeout = '500ms'
as $$
declare
  partition name;
  dropped date;
begin
  -- Budgets look back a month and bills are compared with the month before: no role may drop those.
  if before is null or before > current_date - 62 then
    raise exception 'drop_ledger_day: % is not at least 62 days ago', before
      using errcode = 'invalid_parameter_value';
  end if;
  if not pg_try_advisory_xact_lock(hashtextextended('meterr.rollups', 0)) then
    return null;
  end if;
  select c.relname, right(c.relname, 8)::date into partition, dropped
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
   where i.inhparent = 'meterr.ledger_entry'::regclass
     and c.relname ~ '^ledger_entry_[0-9]{8}$'
     and c.relname < 'ledger_entry_' || to_char(before, 'YYYYMMDD')
     and not exists (select from meterr.rollup_due d
                      where to_char(d.hour, 'YYYYMMDD') = right(c.relname, 8))
   order by c.relname
   limit 1;
  if not found then
    return null;
  end if;
  -- From here on nobody adds a row. One that came while we waited has left its mark.
  lock table only meterr.ledger_entry in access exclusive mode;
  if exists (select from meterr.rollup_due d where d.hour >= dropped and d.hour < dropped + 1) then
    return null;
  end if;
  insert into meterr.dropped_day (day) values (dropped) on conflict do nothing;
  execute format('alter table meterr.ledger_entry detach partition meterr.%I', partition);
  execute format('drop table meterr.%I', partition);
  return dropped;
end
$$;


-- What limits are drawn from --------------------------------------------------------------------

-- One window of one rule: what all leases together took from it, and what came of that. Rates and
-- concurrency have one window for ever; what they take comes back. `seeded` is the part of both that
-- no lease took: what calls of its holder cost that drew from no lease of it. `closed` is what leases
-- of closed processes spent. So of a budget, `spent` is both and what living leases spent, and `taken`
-- is both and what living leases hold, always; `meterr verify ledger` looks. A `stale` window may have
-- missed some of the first.
create table meterr.limit_pool (
  tenant_id  uuid           not null,
  limit_id   uuid           not null,
  starts_at  timestamptz    not null,
  taken      numeric(38,18) not null default 0 check (taken >= 0),
  spent      numeric(38,18) not null default 0 check (spent >= 0),
  seeded     numeric(38,18) not null default 0 check (seeded >= 0),
  closed     numeric(38,18) not null default 0 check (closed >= 0),
  stale      boolean        not null default false,
  primary key (tenant_id, limit_id, starts_at)
);

-- What one process holds of one window. `granted` and `returned` only rise, and only their process
-- moves them, so after an answer that was lost it reads them and knows. `spent` is moved together
-- with the ledger's rows that say so.
create table meterr.limit_lease (
  tenant_id   uuid           not null,
  lease_id    bigint         not null generated always as identity,
  limit_id    uuid           not null,
  starts_at   timestamptz    not null,
  process     uuid           not null,
  granted     numeric(38,18) not null default 0,
  returned    numeric(38,18) not null default 0,
  spent       numeric(38,18) not null default 0,
  expires_at  timestamptz    not null,
  primary key (tenant_id, lease_id),
  unique (tenant_id, limit_id, starts_at, process),
  constraint no_more_comes_back_than_went check (returned between 0 and granted)
);

create index limit_lease_of_process on meterr.limit_lease (process);

-- A process that borrows, by the name of its journal's folder. Nobody's in particular: it holds leases
-- of all tenants. Once closed it never borrows again, whatever it still says.
create table meterr.limit_process (
  process    uuid        primary key,
  seen_at    timestamptz not null default now(),
  closed_at  timestamptz
);

-- A budget's window has spent this percentage of its amount: told once each.
create table meterr.limit_event (
  tenant_id  uuid           not null,
  limit_id   uuid           not null,
  starts_at  timestamptz    not null,
  percent    smallint       not null check (percent in (50, 80, 95, 100)),
  at         timestamptz    not null default now(),
  spent      numeric(38,18) not null,
  amount     numeric(38,18) not null,
  primary key (tenant_id, limit_id, starts_at, percent)
);

create index limit_event_by_time
  on meterr.limit_event (tenant_id, at, limit_id, starts_at, percent);

alter table meterr.limit_pool enable row level security;
alter table meterr.limit_pool force row level security;
alter table meterr.limit_lease enable row level security;
alter table meterr.limit_lease force row level security;
alter table meterr.limit_event enable row level security;
alter table meterr.limit_event force row level security;

create policy own_rows on meterr.limit_pool to meterr_app
  using (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid);
create policy own_rows on meterr.limit_lease to meterr_app
  using (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid);
create policy own_rows on meterr.limit_event to meterr_app
  using (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid);

-- For the functions below, which run as the owner.
create policy owner_keeps on meterr.limit_pool to meterr_owner using (true) with check (true);
create policy owner_keeps on meterr.limit_lease to meterr_owner using (true) with check (true);
create policy owner_keeps on meterr.limit_event to meterr_owner using (true) with check (true);

-- Runs once for all rows of an insert into the ledger: what they drew is spent from the leases they
-- name, in the same transaction, so no crash comes between. Rows that were there already are not
-- among them. Whoever moves leases locks their windows first, in order: so nobody waits in a circle.
create function meterr.spend_leases() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  of_tenant uuid[];
  from_lease bigint[];
  usd_drawn numeric[];
begin
  -- One pass over the rows, however many name the same leases; from here on only leases count.
  select array_agg(d.tenant_id), array_agg(d.lease_id), array_agg(d.usd)
    into of_tenant, from_lease, usd_drawn
    from (select g.tenant_id, x.lease_id, sum(g.usd) as usd
            from (select tenant_id, leases, sum(coalesce(drawn_usd, cost_usd)) as usd
                    from added where leases is not null
                   group by tenant_id, leases) g
           cross join unnest(g.leases) as x (lease_id)
           where g.usd > 0
           group by g.tenant_id, x.lease_id) d;
  if of_tenant is null then
    return null;
  end if;
  perform from meterr.limit_pool p
    where (p.tenant_id, p.limit_id, p.starts_at) in (
      select l.tenant_id, l.limit_id, l.starts_at
        from unnest(of_tenant, from_lease) as d (tenant_id, lease_id)
        join meterr.limit_lease l on l.tenant_id = d.tenant_id and l.lease_id = d.lease_id)
    order by p.tenant_id, p.limit_id, p.starts_at
      for update;
  with moved as (
    update meterr.limit_lease l set spent = l.spent + d.usd
      from unnest(of_tenant, from_lease, usd_drawn) as d (tenant_id, lease_id, usd)
     where l.tenant_id = d.tenant_id and l.lease_id = d.lease_id
    returning l.tenant_id, l.limit_id, l.starts_at, d.usd
  ), of_window as (
    select tenant_id, limit_id, starts_at, sum(usd) as usd
      from moved group by tenant_id, limit_id, starts_at
  ), passed as (
    update meterr.limit_pool p set spent = p.spent + w.usd
      from of_window w join meterr.limit_rule r using (tenant_id, limit_id)
     where p.tenant_id = w.tenant_id and p.limit_id = w.limit_id and p.starts_at = w.starts_at
    returning p.tenant_id, p.limit_id, p.starts_at, p.spent, r.amount
  )
  insert into meterr.limit_event (tenant_id, limit_id, starts_at, percent, spent, amount)
  select tenant_id, limit_id, starts_at, step, spent, amount
    from passed cross join unnest(array[50, 80, 95, 100]) as step
   where spent * 100 >= amount * step
  on conflict do nothing;
  return null;
end
$$;

create trigger spend_leases after insert on meterr.ledger_entry
  referencing new table as added
  for each statement execute function meterr.spend_leases();

-- Every lock of limits is taken in this order, so nobody waits in a circle: the process, then windows
-- in order of their key, then leases. Whoever moves leases of a process shares it; who closes it has
-- it alone. So an exchange is either seen by the close, or finds the process closed: it cannot commit
-- afterwards what nobody would give back. Read again after the lock: that is READ COMMITTED.
create function meterr.share_process(of_process uuid) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_advisory_xact_lock_shared(hashtextextended('meterr.process ' || of_process, 0));
  if exists (select from meterr.limit_process p
              where p.process = of_process and p.closed_at is not null) then
    raise exception 'process % was closed: it may not borrow under this name again', of_process
      using errcode = 'object_not_in_prerequisite_state';
  end if;
end
$$;

-- What the ledger has of a tenant's calls from `since` until `until`: of all, of the keys that an owner
-- has now, or of one key's whole line, and of its models only. Days, hours and raw rows are told apart as rollups
-- say; one statement, so by one snapshot. An unknown cost counts nothing: what a call drew beyond its
-- cost stays with the windows it drew from, and no sum has it. Letters count alike whatever their case,
-- as they do where calls are held to limits. Runs with the rights of its caller.
create function meterr.ledger_cost(
  of_tenant uuid, scope text, subject text, model text, since timestamptz, until timestamptz)
  returns numeric
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
  set timezone = 'UTC'
  set jit = off
  set plan_cache_mode = force_custom_plan
as $$
declare
  keys    uuid[];
  models  text;
  usd     numeric;
begin
  if scope = 'key' then
    keys := array(select k.key_id from meterr.api_key k
                   where k.tenant_id = of_tenant and k.first_key_id = subject::uuid)
            || subject::uuid;
  elsif scope = 'owner' then
    keys := array(select k.key_id from meterr.api_key k
                   where k.tenant_id = of_tenant and k.owner = subject);
  end if;
  models := lower(translate(regexp_replace(model, '([%_\\])', '\\\1', 'g'), '*?', '%_'));
  with raw_hour as materialized (
    select date_bin('1 hour', edge, 'epoch') as hour
      from unnest(array[since, until]) as edge
     where edge <> date_bin('1 hour', edge, 'epoch')
    union
    select d.hour from meterr.rollup_due d
     where d.tenant_id = of_tenant and d.hour > since - interval '1 hour' and d.hour < until
  ), split_day as materialized (
    select date_bin('1 day', edge, 'epoch') as day
      from unnest(array[since, until]) as edge
     where edge <> date_bin('1 day', edge, 'epoch')
    union
    select date_bin('1 day', h.hour, 'epoch') from raw_hour h
  ), line as (
    select u.key_id, u.model, u.cost_usd
      from meterr.usage_day u
     where u.tenant_id = of_tenant and u.day >= since and u.day <= until - interval '1 day'
       and u.day not in (select s.day from split_day s)
    union all
    select u.key_id, u.model, u.cost_usd
      from split_day s
      cross join lateral (
        select h.key_id, h.model, h.cost_usd
          from meterr.usage_hour h
         where h.tenant_id = of_tenant and h.hour >= since and h.hour <= until - interval '1 hour'
           and h.hour >= s.day and h.hour < s.day + interval '1 day'
           and h.hour not in (select r.hour from raw_hour r)
        offset 0) u
    union all
    select e.key_id, e.model, e.cost_usd
      from raw_hour r
      cross join lateral (
        select x.key_id, x.model, x.cost_usd
          from meterr.ledger_entry x
         where x.tenant_id = of_tenant and x.at >= since and x.at < until
           and x.at >= r.hour and x.at < r.hour + interval '1 hour'
        offset 0) e
  )
  select coalesce(sum(line.cost_usd), 0) into usd
    from line
   where (keys is null or line.key_id = any (keys))
     and (models = '' or lower(line.model) like models);
  return usd;
end
$$;

-- The same of the calls that a budget in force holds for; 0 of any other limit.
create function meterr.budget_cost(
  of_tenant uuid, of_limit uuid, since timestamptz, until timestamptz) returns numeric
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    (select meterr.ledger_cost(of_tenant, r.scope, r.subject, r.model, since, until)
       from meterr.limit_rule r
      where r.tenant_id = of_tenant and r.limit_id = of_limit and r.ended_at is null
        and r.measure = 'usd'), 0)
$$;

-- Makes the row of a window that nobody drew from yet, or brings a stale one up to date: what its calls
-- have cost counts as taken and spent, whatever they drew from, also from before the rule. Nothing
-- twice: what calls that drew from this window cost is in its `spent`, and both are read at one moment,
-- so that it has spent no less than the ledger has of it. What runs then, or waits in a journal, is not
-- seen. The ledger is read before the window is locked, so nobody waits for that.
create function meterr.make_pool(
  of_tenant uuid, of_limit uuid, of_window timestamptz, until timestamptz) returns void
  language sql
  set search_path = pg_catalog, pg_temp
as $$
  with seed as materialized (
    select r.amount, greatest(0, meterr.budget_cost(of_tenant, of_limit, of_window, until)
             - coalesce((select p.spent from meterr.limit_pool p
                          where p.tenant_id = of_tenant and p.limit_id = of_limit
                            and p.starts_at = of_window), 0)) as missed
      from meterr.limit_rule r
     where r.tenant_id = of_tenant and r.limit_id = of_limit and r.ended_at is null
  ), made as (
    insert into meterr.limit_pool as p (tenant_id, limit_id, starts_at, taken, spent, seeded)
    select of_tenant, of_limit, of_window, missed, missed, missed from seed
    on conflict (tenant_id, limit_id, starts_at) do update
       set taken = p.taken + excluded.taken, spent = p.spent + excluded.spent,
           seeded = p.seeded + excluded.seeded, stale = false
     where p.stale
    returning p.spent
  )
  insert into meterr.limit_event (tenant_id, limit_id, starts_at, percent, spent, amount)
  select of_tenant, of_limit, of_window, step, spent, amount
    from made cross join seed cross join unnest(array[50, 80, 95, 100]) as step
   where spent > 0 and spent * 100 >= amount * step
  on conflict do nothing;
$$;

-- A tenant that moves to another time zone and back finds the windows of before, which know nothing of
-- what was drawn from others meanwhile.
create function meterr.doubt_windows() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform from meterr.limit_pool p
    where p.tenant_id = new.tenant_id
    order by p.tenant_id, p.limit_id, p.starts_at
      for update;
  update meterr.limit_pool p set stale = true where p.tenant_id = new.tenant_id;
  return null;
end
$$;

create trigger doubt_windows after update on meterr.tenant
  for each row when (old.time_zone <> new.time_zone) execute function meterr.doubt_windows();

-- One exchange between a process's lease and its window: what the process parted with goes back, what
-- it used beyond its grant is granted (`owed`: no cap, the truth stands), and then a slice, if it
-- wants one. A slice is what is wanted while that is at most an eighth of what remains, else an
-- eighth, but at least `need` (all waiting calls together), of which not more than there is; and
-- nothing when that is not even `least`, the smallest of them. Soft limits grant without a cap.
--
-- Safe to repeat, and safe when an answer is lost or a statement arrives late: `parted_with` is a
-- total, and a caller that does not know the present `granted` is told, not granted. Of rates and
-- concurrency, leases whose processes stopped renewing come back first: when the last permit they
-- could have used has cooled, with 5 s for clocks that differ in pace.
--
-- The tenant is an argument, so that an exchange is one statement and no transaction waits for its
-- process. This opens nothing: who acts as meterr_app may name any tenant in a setting as well, and
-- nobody else may call this. No tenant's own SQL ever runs as meterr_app.
create function meterr.exchange_lease(
  of_tenant uuid, of_limit uuid, of_window timestamptz, window_ends timestamptz, by_process uuid,
  as_lease bigint, known_granted numeric, parted_with numeric, owed numeric, want numeric,
  need numeric, least_need numeric)
  returns table (lease_id bigint, granted numeric, remaining numeric)
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  rule    meterr.limit_rule;
  pool    meterr.limit_pool;
  lease   meterr.limit_lease;
  back    numeric := 0;
  grant_  numeric := 0;
  places  integer;
begin
  perform meterr.share_process(by_process);
  if not exists (select from meterr.limit_pool p
                  where p.tenant_id = of_tenant and p.limit_id = of_limit
                    and p.starts_at = of_window and not p.stale) then
    perform meterr.make_pool(of_tenant, of_limit, of_window, window_ends);
  end if;
  select * into pool from meterr.limit_pool p
    where p.tenant_id = of_tenant and p.limit_id = of_limit and p.starts_at = of_window for update;
  select * into rule from meterr.limit_rule r
    where r.tenant_id = of_tenant and r.limit_id = of_limit and r.ended_at is null;
  if not found then
    return;
  end if;
  places := case rule.measure when 'usd' then 18 else 0 end;
  if rule.measure <> 'usd' then
    with lost as (
      select l.lease_id from meterr.limit_lease l
       where l.tenant_id = of_tenant and l.limit_id = of_limit and l.starts_at = of_window
         and l.process <> by_process and l.expires_at < clock_timestamp() - interval '65 s'
         for update skip locked
    ), gone as (
      delete from meterr.limit_lease l using lost
       where l.tenant_id = of_tenant and l.lease_id = lost.lease_id
      returning l.granted - l.returned as held
    )
    select coalesce(sum(held), 0) into back from gone;
  end if;
  insert into meterr.limit_lease (tenant_id, limit_id, starts_at, process, expires_at)
    values (of_tenant, of_limit, of_window, by_process, 'infinity') on conflict do nothing;
  if found then
    insert into meterr.limit_process (process) values (by_process) on conflict do nothing;
  end if;
  select * into lease from meterr.limit_lease l
    where l.tenant_id = of_tenant and l.limit_id = of_limit and l.starts_at = of_window
      and l.process = by_process for update;
  if lease.lease_id = as_lease then
    parted_with := least(greatest(lease.returned, parted_with), lease.granted);
    back := back + parted_with - lease.returned;
  else
    parted_with := lease.returned;
    known_granted := 0;
  end if;
  pool.taken := pool.taken - back;
  remaining := rule.amount - pool.taken;
  if lease.granted = known_granted then
    grant_ := owed;
    remaining := remaining - owed;
    if not rule.hard then
      grant_ := grant_ + want;
    elsif remaining >= least_need then
      grant_ := grant_ + least(remaining, greatest(need, least(want, trunc(remaining / 8, places))));
    end if;
  end if;
  update meterr.limit_pool p set taken = pool.taken + grant_
    where p.tenant_id = of_tenant and p.limit_id = of_limit and p.starts_at = of_window;
  update meterr.limit_lease l
     set granted = lease.granted + grant_, returned = parted_with,
         expires_at = case rule.measure when 'usd' then 'infinity'
                                        else clock_timestamp() + interval '30 s' end
   where l.tenant_id = of_tenant and l.lease_id = lease.lease_id;
  return query select lease.lease_id, lease.granted + grant_, rule.amount - pool.taken - grant_;
end
$$;

-- A sign of life: what a process holds of rates and concurrency stays its own for another 30 s.
-- Returns which leases that are: one that is missing was given to others.
--
-- Any process may be named here and in close_process, of whatever tenant. That is no way around P4:
-- this is for meterr_app, which is our own code alone and might name any tenant, too, and tells no
-- more than numbers of leases; only meterr_drain may close. Nothing else may execute either; a test
-- reads that from the catalogue.
create function meterr.renew_leases(of_process uuid) returns setof bigint
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform meterr.share_process(of_process);
  insert into meterr.limit_process (process) values (of_process)
    on conflict (process) do update set seen_at = now();
  return query
    update meterr.limit_lease l set expires_at = clock_timestamp() + interval '30 s'
     where l.process = of_process and l.expires_at < 'infinity'
    returning l.lease_id;
end
$$;

-- Windows that ended more than 62 days ago, what was lent from them, and processes that fell silent as
-- long ago. Events stay, and so do closed processes: none of them may ever borrow again.
create function meterr.prune_limits() returns integer
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  pruned integer;
begin
  with ended as (
    select p.tenant_id, p.limit_id, p.starts_at
      from meterr.limit_pool p join meterr.limit_rule r using (tenant_id, limit_id)
     where p.starts_at + case r.span when 'day' then interval '2 days'
                                     when 'week' then interval '8 days'
                                     when 'month' then interval '32 days' end
             < now() - interval '62 days'
        or r.ended_at < now() - interval '62 days'
     order by p.tenant_id, p.limit_id, p.starts_at
       for update of p skip locked
  ), gone as (
    delete from meterr.limit_lease l using ended e
     where l.tenant_id = e.tenant_id and l.limit_id = e.limit_id and l.starts_at = e.starts_at
  ), closed as (
    delete from meterr.limit_pool p using ended e
     where p.tenant_id = e.tenant_id and p.limit_id = e.limit_id and p.starts_at = e.starts_at
    returning 1
  )
  select count(*) into pruned from closed;
  delete from meterr.limit_process p
   where p.closed_at is null and p.seen_at < now() - interval '62 days'
     and not exists (select from meterr.limit_lease l where l.process = p.process);
  return pruned;
end
$$;

-- The journal of a process that is no more has been read to its end: what its leases still held of
-- money goes back, and its calls run no longer; permits of rates go back when the last has cooled.
-- Not when a line of that journal was unreadable: nobody knows what it had spent. An operator may give
-- such a process up. It borrows no more: a statement of it that is still on its way finds it closed.
-- Returns the windows of budgets in force that it held of, and how much of that can be lent again; a
-- window may have ended.
create function meterr.close_process(ended uuid)
  returns table (tenant_id uuid, limit_id uuid, starts_at timestamptz, usd numeric)
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('meterr.process ' || ended, 0));
  insert into meterr.limit_process as p (process, closed_at) values (ended, now())
    on conflict (process) do update set closed_at = coalesce(p.closed_at, excluded.closed_at);
  perform from meterr.limit_pool p
    where (p.tenant_id, p.limit_id, p.starts_at) in (
      select l.tenant_id, l.limit_id, l.starts_at
        from meterr.limit_lease l where l.process = ended)
    order by p.tenant_id, p.limit_id, p.starts_at
      for update;
  return query
    with gone as (
      delete from meterr.limit_lease l
       using meterr.limit_rule r
       where l.process = ended and r.tenant_id = l.tenant_id and r.limit_id = l.limit_id
         and r.measure in ('usd', 'concurrency')
      returning l.tenant_id, l.limit_id, l.starts_at, l.spent,
                l.granted - l.returned - l.spent as left_over, r.measure, r.amount, r.ended_at
    ), back as (
      update meterr.limit_pool p
         set taken = greatest(p.taken - g.left_over, 0), closed = p.closed + g.spent
        from gone g
       where p.tenant_id = g.tenant_id and p.limit_id = g.limit_id and p.starts_at = g.starts_at
      returning p.tenant_id, p.limit_id, p.starts_at, p.taken
    )
    select g.tenant_id, g.limit_id, g.starts_at,
           greatest(0, least(g.left_over, g.amount - b.taken))
      from gone g
      join back b on b.tenant_id = g.tenant_id and b.limit_id = g.limit_id
                 and b.starts_at = g.starts_at
     where g.measure = 'usd' and g.ended_at is null;
  update meterr.limit_lease l set expires_at = least(l.expires_at, now()) where l.process = ended;
end
$$;


-- Who may do what ------------------------------------------------------------------------------

grant usage on schema meterr to meterr_app, meterr_auth, meterr_drain;

grant select on meterr.schema_migration to meterr_app;
grant select, insert on meterr.tenant to meterr_app;
grant update (name, state, unknown_price, time_zone) on meterr.tenant to meterr_app;
grant select, insert on meterr.api_key to meterr_app;
grant update (state, revoked_at, for_good, successor_id, grace_until, due_at, due_until)
  on meterr.api_key to meterr_app;
grant select, insert on meterr.limit_rule to meterr_app;
grant update (amount, hard, ended_at) on meterr.limit_rule to meterr_app;
grant select on meterr.limit_pool to meterr_app;
grant select on meterr.limit_lease to meterr_app;
grant select on meterr.limit_event to meterr_app;
grant select on meterr.limit_process to meterr_app;
grant select, insert, update on meterr.upstream to meterr_app;
grant select, insert on meterr.price_override to meterr_app;
grant select on meterr.price_version to meterr_app;
grant select on meterr.ledger_entry to meterr_app;
grant execute on function meterr.exchange_lease(
  uuid, uuid, timestamptz, timestamptz, uuid, bigint, numeric, numeric, numeric, numeric, numeric,
  numeric) to meterr_app;
grant execute on function meterr.ledger_cost(uuid, text, text, text, timestamptz, timestamptz)
  to meterr_app;
grant execute on function meterr.budget_cost(uuid, uuid, timestamptz, timestamptz) to meterr_app;
grant execute on function meterr.renew_leases(uuid) to meterr_app;
grant execute on function meterr.prune_limits() to meterr_app;
grant execute on function meterr.may_be_billed(meterr.ledger_entry) to meterr_app;
grant select on meterr.entry_figures to meterr_app;
grant select on meterr.usage_hour to meterr_app;
grant select on meterr.usage_day to meterr_app;
grant select on meterr.rollup_due to meterr_app;
grant select on meterr.dropped_day to meterr_app;
grant execute on function meterr.sum_entries(
  uuid, timestamptz, timestamptz, interval, uuid[]) to meterr_app;
grant execute on function meterr.sum_lines(
  text, uuid, timestamptz, timestamptz, interval) to meterr_app;
grant execute on function meterr.list_tenants() to meterr_app;
grant execute on function meterr.list_unknown_tenants() to meterr_app;


grant insert on meterr.ledger_entry to meterr_drain;
grant insert on meterr.price_version to meterr_drain;
grant execute on function meterr.ensure_ledger_partitions(date, date) to meterr_drain;
grant execute on function meterr.close_process(uuid) to meterr_drain;
grant execute on function meterr.next_due_day(timestamptz, timestamptz) to meterr_drain;
grant execute on function meterr.roll_up(uuid, timestamptz, timestamptz) to meterr_drain;
grant execute on function meterr.thin_marks() to meterr_drain;
grant execute on function meterr.drop_ledger_day(date) to meterr_drain;


-- Encryption at rest --------------------------------------------------------------------------

-- Key-encryption keys that this database has met, by name. The keys themselves are never here; the
-- verifier tells two keys of one name apart. What refers to `live_kek_id` keeps PostgreSQL itself
-- from letting a key retire while anything is wrapped under it, and anything be wrapped afterwards.
create table meterr.key_encryption_key (
  kek_id         text        primary key check (kek_id ~ '^[a-z0-9][a-z0-9_-]{0,31}$'),
  live_kek_id    text        unique,
  verifier       bytea       not null check (octet_length(verifier) = 32),
  first_seen_at  timestamptz not null default now(),
  retired_at     timestamptz,
  constraint live_until_retired
    check (live_kek_id is not distinct from case when retired_at is null then kek_id end)
);

-- A tenant's data keys, wrapped; the highest version that is not gone seals. The nil id is meterr's
-- own. `live_version` is to sealed values what `live_kek_id` is to data keys.
create table meterr.data_key (
  tenant_id     uuid        not null,
  version       integer     not null check (version > 0),
  live_version  integer,
  kek_id        text        references meterr.key_encryption_key (live_kek_id),
  wrapped       bytea       check (octet_length(wrapped) = 61),
  created_at    timestamptz not null default now(),
  retired_at    timestamptz,
  primary key (tenant_id, version),
  unique (tenant_id, live_version),
  constraint live_until_retired
    check (live_version is not distinct from case when retired_at is null then version end),
  constraint wrapped_until_gone
    check ((wrapped is null) = (retired_at is not null)
           and (wrapped is null) = (kek_id is null))
);

create index data_key_under on meterr.data_key (kek_id) where kek_id is not null;

-- What we show to providers, sealed; write-only for people. A row without a secret was removed. The
-- key's version is read from the sealed value itself, so no row can say otherwise than its bytes.
create table meterr.provider_credential (
  tenant_id           uuid        not null,
  upstream            text        not null check (upstream <> ''),
  secret              bytea       constraint secret_is_sealed
                                  check (octet_length(secret) >= 33 and get_byte(secret, 0) = 1),
  secret_key_version  integer     generated always as (
    (get_byte(secret, 1) << 24) | (get_byte(secret, 2) << 16)
    | (get_byte(secret, 3) << 8) | get_byte(secret, 4)) stored,
  last4               text        not null default '' check (length(last4) in (0, 4)),
  created_at          timestamptz not null default now(),
  created_by          text        not null,
  version             bigint      not null default 0,
  primary key (tenant_id, upstream),
  foreign key (tenant_id, secret_key_version) references meterr.data_key (tenant_id, live_version)
);

create index provider_credential_by_key
  on meterr.provider_credential (tenant_id, secret_key_version);

create trigger keep_retired_at before update on meterr.key_encryption_key
  for each row when (old.retired_at is not null and old.retired_at is distinct from new.retired_at)
  execute function meterr.keep_end('retired_at');
create trigger keep_retired_at before update on meterr.data_key
  for each row when (old.retired_at is not null and old.retired_at is distinct from new.retired_at)
  execute function meterr.keep_end('retired_at');
create trigger stamp_version before insert or update on meterr.provider_credential
  for each row execute function meterr.stamp_identity_version();

alter table meterr.data_key enable row level security;
alter table meterr.data_key force row level security;
alter table meterr.provider_credential enable row level security;
alter table meterr.provider_credential force row level security;

create policy own_rows on meterr.data_key to meterr_app
  using (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid);
create policy own_rows on meterr.provider_credential to meterr_app
  using (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid);

-- For list_data_keys(), which runs as the owner.
create policy owner_reads on meterr.data_key for select to meterr_owner using (true);

-- Every data key of every tenant, without the key: for the operator's rotation and counts.
create function meterr.list_data_keys()
  returns table (tenant_id uuid, version integer, kek_id text, created_at timestamptz,
                 retired_at timestamptz)
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
  begin atomic
    select k.tenant_id, k.version, k.kek_id, k.created_at, k.retired_at
      from meterr.data_key k
     order by k.tenant_id, k.version;
  end;

grant select, insert on meterr.key_encryption_key to meterr_app;
grant update (live_kek_id, retired_at) on meterr.key_encryption_key to meterr_app;
grant select, insert on meterr.data_key to meterr_app;
grant update (live_version, kek_id, wrapped, retired_at) on meterr.data_key to meterr_app;
grant select, insert on meterr.provider_credential to meterr_app;
grant update (secret, last4, created_at, created_by) on meterr.provider_credential to meterr_app;
grant execute on function meterr.list_data_keys() to meterr_app;


-- People: who signs in, as what, and how they prove it -----------------------------------------

-- People are global, one row per e-mail address, and no tenant's data; what they are in a tenant is a
-- membership, which is. All of this is the business of one role, meterr_identity, which sees no key,
-- no price and no ledger. Rows are ended, not deleted, but for what has expired: prune_people().

-- `email` is canonical (identity.people.email), `shown_email` as it was written.
create table meterr.user_account (
  user_id      uuid        primary key,
  email        text        not null unique check (email <> ''),
  shown_email  text        not null,
  state        text        not null default 'active' check (state in ('active', 'disabled')),
  created_at   timestamptz not null default now(),
  disabled_at  timestamptz,
  -- The last change of a password or factor: sessions from before it are over.
  credentials_changed_at  timestamptz  not null default now(),
  version      bigint      not null default 0,
  constraint disabled_has_a_time check ((state = 'disabled') = (disabled_at is not null))
);

-- super_admin is a plane of its own: such rows have the nil id and belong to no tenant, so nothing
-- that acts for a tenant can write one. `of_tenant` is there to be a foreign key.
create table meterr.membership (
  tenant_id   uuid        not null,
  user_id     uuid        not null references meterr.user_account,
  role        text        not null check (role in ('user', 'admin', 'super_admin')),
  created_at  timestamptz not null default now(),
  ended_at    timestamptz,
  version     bigint      not null default 0,
  of_tenant   uuid        references meterr.tenant
    generated always as (nullif(tenant_id, '00000000-0000-0000-0000-000000000000')) stored,
  primary key (tenant_id, user_id),
  constraint super_admins_are_no_tenants check (
    (role = 'super_admin') = (tenant_id = '00000000-0000-0000-0000-000000000000'))
);

create index membership_by_user on meterr.membership (user_id);

-- One-time claims, by the digest of their token: to take up an invitation, which makes the membership,
-- or to set a new password. No row of a tenant's: it is read before anybody has signed in.
-- It counts while its author may still make such a one: `made_by` in `made_in`, their tenant or the nil
-- id. Without an author it was made by whoever runs the database. `drops_factors` is of resets only.
create table meterr.user_claim (
  digest        bytea       primary key check (octet_length(digest) = 32),
  user_id       uuid        not null references meterr.user_account,
  joins_tenant  uuid,
  joins_as      text        check (joins_as in ('user', 'admin', 'super_admin')),
  drops_factors boolean     not null default false,
  made_by       uuid        references meterr.user_account,
  made_in       uuid,
  expires_at    timestamptz not null,
  used_at       timestamptz,
  of_tenant     uuid        references meterr.tenant
    generated always as (nullif(joins_tenant, '00000000-0000-0000-0000-000000000000')) stored,
  constraint joins_as_something check ((joins_tenant is null) = (joins_as is null)),
  constraint made_somewhere check ((made_by is null) = (made_in is null)),
  constraint made_at_home_or_by_the_platform check (coalesce(
    made_in in (joins_tenant, '00000000-0000-0000-0000-000000000000'), made_in is null)),
  constraint only_a_reset_drops_factors check (joins_tenant is null or not drops_factors)
);

-- A link is good until the next one of its kind is made.
create unique index user_claim_one_open on meterr.user_claim (user_id, joins_tenant)
  nulls not distinct where used_at is null;
create index user_claim_by_expiry on meterr.user_claim (expires_at);
create index user_claim_by_user on meterr.user_claim (user_id);
create index user_claim_by_author on meterr.user_claim (made_by, made_in) where used_at is null;

-- `short`: fewer characters than a password needs that stands alone; there must be a second factor.
create table meterr.user_password (
  user_id     uuid        primary key references meterr.user_account,
  hash        text        not null check (hash like '$argon2id$%'),
  short       boolean     not null,
  changed_at  timestamptz not null default now()
);

-- `last_step` is the last 30 seconds whose code was accepted: it and all before it are used up. The
-- secret is sealed as a provider's credential is; `platform_id` is there to be a foreign key.
create table meterr.totp_factor (
  user_id             uuid        not null references meterr.user_account,
  factor_id           uuid        not null,
  sealed              bytea       constraint sealed_is_sealed
                                  check (octet_length(sealed) >= 33 and get_byte(sealed, 0) = 1),
  sealed_key_version  integer     generated always as (
    (get_byte(sealed, 1) << 24) | (get_byte(sealed, 2) << 16)
    | (get_byte(sealed, 3) << 8) | get_byte(sealed, 4)) stored,
  platform_id         uuid        generated always as (
    '00000000-0000-0000-0000-000000000000'::uuid) stored,
  state               text        not null default 'pending'
                                  check (state in ('pending', 'active', 'ended')),
  last_step           bigint      not null default 0,
  created_at          timestamptz not null default now(),
  primary key (user_id, factor_id),
  foreign key (platform_id, sealed_key_version)
    references meterr.data_key (tenant_id, live_version),
  constraint ended_has_no_secret check ((state = 'ended') = (sealed is null))
);

create index totp_factor_by_key on meterr.totp_factor (platform_id, sealed_key_version);

create unique index totp_factor_one_of_each on meterr.totp_factor (user_id, state)
  where state <> 'ended';

create table meterr.passkey (
  credential_id  bytea       primary key,
  user_id        uuid        not null references meterr.user_account,
  public_key     bytea       not null,
  sign_count     bigint      not null check (sign_count >= 0),
  name           text        not null,
  transports     text[]      not null default '{}',
  backed_up      boolean     not null,
  created_at     timestamptz not null default now(),
  last_used_at   timestamptz,
  ended_at       timestamptz
);

create index passkey_by_user on meterr.passkey (user_id) where ended_at is null;

-- Challenges that browsers were given, by digest, until they answer. Without a user: whoever has a
-- passkey here. `network` and `site` say who asked, narrowly and widely: strangers may ask, so there are
-- only so many of each (identity.factors.challenges).
create table meterr.passkey_ceremony (
  digest      bytea       primary key check (octet_length(digest) = 32),
  purpose     text        not null check (purpose in ('register', 'sign_in')),
  user_id     uuid        references meterr.user_account,
  network     text        not null,
  site        text        not null,
  expires_at  timestamptz not null,
  used_at     timestamptz
);

create index passkey_ceremony_by_expiry on meterr.passkey_ceremony (expires_at);
create index passkey_ceremony_by_network on meterr.passkey_ceremony (network, expires_at);
create index passkey_ceremony_by_site on meterr.passkey_ceremony (site);
create index passkey_ceremony_by_user on meterr.passkey_ceremony (user_id);

-- The codes that are left of the one set that counts.
create table meterr.recovery_codes (
  user_id   uuid        primary key references meterr.user_account,
  digests   bytea[]     not null check (cardinality(digests) <= 10),
  made_at   timestamptz not null default now()
);

-- Attempts to sign in, by keyed digest of what they were counted under. Times are Unix milliseconds,
-- as the rule that reads them has them (identity.throttle.window).
create table meterr.sign_in_window (
  kind           text     not null,
  subject        bytea    not null check (octet_length(subject) = 32),
  began_ms       bigint   not null default 0,
  attempts       integer  not null default 0,
  level          integer  not null default 0,
  blocked_to_ms  bigint   not null default 0,
  passed_ms      bigint   not null default 0,
  touched_ms     bigint   not null,
  primary key (kind, subject)
);

-- What one caller of the management API sends: a person, or a network, as a keyed digest. It is
-- worth nothing after ten minutes, so it is in no log of the server and gone after a crash of it.
create unlogged table meterr.api_window (
  caller    bytea   primary key check (octet_length(caller) = 32),
  began_ms  bigint  not null,
  requests  integer not null
);

create index api_window_by_begin on meterr.api_window (began_ms);

create index sign_in_window_by_touch on meterr.sign_in_window (touched_ms);

-- A member of nothing is heard of under the nil id, so that every notice names a tenant. When people
-- are disabled or come back, the keys of all their tenants are read again.
create function meterr.announce_user() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_notify('meterr_identity', json_build_object(
      'tenant_id', concerned.tenant_id, 'user_id', new.user_id, 'version', new.version)::text)
    from (select '00000000-0000-0000-0000-000000000000'::uuid as tenant_id
          union
          select m.tenant_id from meterr.membership m
           where m.user_id = new.user_id and m.ended_at is null and old.state <> new.state
         ) concerned;
  return null;
end
$$;

create function meterr.announce_membership() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_notify('meterr_identity', json_build_object(
    'tenant_id', new.tenant_id, 'user_id', new.user_id, 'version', new.version)::text);
  return null;
end
$$;

-- Claims of somebody who left, or has another role now. Whoever takes one up meanwhile waits for the
-- row, and finds it used.
create function meterr.end_claims() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update meterr.user_claim set used_at = now()
   where made_by = new.user_id and made_in = new.tenant_id and used_at is null;
  return null;
end
$$;

create trigger keep_used_at before update on meterr.user_claim
  for each row when (old.used_at is not null and old.used_at is distinct from new.used_at)
  execute function meterr.keep_end('used_at');
create trigger keep_used_at before update on meterr.passkey_ceremony
  for each row when (old.used_at is not null and old.used_at is distinct from new.used_at)
  execute function meterr.keep_end('used_at');
create trigger keep_ended_at before update on meterr.passkey
  for each row when (old.ended_at is not null and old.ended_at is distinct from new.ended_at)
  execute function meterr.keep_end('ended_at');
create trigger stamp_version before insert or update on meterr.user_account
  for each row execute function meterr.stamp_identity_version();
create trigger announce after update on meterr.user_account
  for each row execute function meterr.announce_user();
create trigger stamp_version before insert or update on meterr.membership
  for each row execute function meterr.stamp_identity_version();
create trigger announce after insert or update on meterr.membership
  for each row execute function meterr.announce_membership();
create trigger end_claims after update on meterr.membership
  for each row when (old.role <> new.role or new.ended_at is not null)
  execute function meterr.end_claims();

alter table meterr.membership enable row level security;
alter table meterr.membership force row level security;

create policy own_rows on meterr.membership to meterr_app, meterr_identity
  using (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid);
create policy owner_reads on meterr.membership for select to meterr_owner using (true);

-- A member's key counts as long as that membership lasts and its owner is not disabled. One that
-- begins again is another: it brings no old key back.
alter table meterr.api_key add constraint owner_is_a_member
  foreign key (tenant_id, owner_user_id) references meterr.membership (tenant_id, user_id);

-- All that is known before a caller is known. The only thing meterr_auth can read.
create view meterr.key_for_authentication with (security_barrier) as
  select k.mac, k.tenant_id, k.key_id, k.models, k.expires_at, k.owner,
         least(k.grace_until, k.due_until) as grace_until,
         k.networks::text[] as networks, k.output_tokens_default, k.send_output_default,
         case when k.created_by is null then k.scopes else array(
           with recursive above as (
             select k.created_by as key_id
             union
             select also.key_id
               from above a
               join meterr.api_key c on c.tenant_id = k.tenant_id and c.key_id = a.key_id
              cross join lateral (values (c.created_by), (c.successor_id)) as also (key_id)
              where also.key_id is not null
           )
           select own.scope
             from unnest(k.scopes) as own (scope)
            where not exists (
              select from above a
                join meterr.api_key c on c.tenant_id = k.tenant_id and c.key_id = a.key_id
               where own.scope <> all (c.scopes))) end as scopes,
         k.state as key_state, t.state as tenant_state, t.unknown_price, t.time_zone,
         k.owner_user_id is null
           or coalesce(u.state = 'active' and m.ended_at is null
                       and m.created_at = k.owner_since, false) as owner_counts,
         (select coalesce(json_agg(json_build_object(
                   'limit_id', r.limit_id, 'measure', r.measure, 'scope', r.scope,
                   'model', r.model, 'span', r.span, 'amount', r.amount::text, 'hard', r.hard)
                   order by r.limit_id), '[]')::text
            from meterr.limit_rule r
           where r.tenant_id = k.tenant_id and r.ended_at is null
             and r.subject = case r.scope when 'owner' then nullif(k.owner, '')
                                          when 'key'
                                            then coalesce(k.first_key_id, k.key_id)::text
                                          else '' end) as limits,
         greatest(k.version, t.version, m.version, u.version,
                  (select max(r.version) from meterr.limit_rule r
                    where r.tenant_id = k.tenant_id)) as version
    from meterr.api_key k
    join meterr.tenant t using (tenant_id)
    left join meterr.membership m on m.tenant_id = k.tenant_id and m.user_id = k.owner_user_id
    left join meterr.user_account u on u.user_id = k.owner_user_id;

-- What people are, before it is known for which tenant they act.
create view meterr.role_for_authentication with (security_barrier) as
  select m.user_id, m.tenant_id, m.role, u.state as user_state,
         coalesce(t.state, 'active') as tenant_state,
         greatest(m.version, u.version, t.version) as version
    from meterr.membership m
    join meterr.user_account u using (user_id)
    left join meterr.tenant t on t.tenant_id = m.of_tenant
   where m.ended_at is null;

-- Before a challenge is noted: what is answered or over goes, and where there are as many as may be, the
-- oldest that came from where most came from. The newest of each network (of each site, in all) stay
-- before the second newest of any. They take turns, so that counts are exact and nobody waits in a circle.
create function meterr.make_room_for_challenge(
  now_ timestamptz, network_ text, site_ text, user_id_ uuid,
  network_kept integer, site_kept integer, account_kept integer, total_max integer,
  total_kept integer) returns void
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_advisory_xact_lock(31632345877144953);  -- ours: 'passkey' in ASCII
  delete from meterr.passkey_ceremony where expires_at <= now_ or used_at is not null;
  delete from meterr.passkey_ceremony where digest in (
    select c.digest from meterr.passkey_ceremony c
     where c.network = network_
     order by c.expires_at desc, c.digest offset network_kept);
  delete from meterr.passkey_ceremony where digest in (
    select c.digest
      from (select r.digest, r.expires_at, row_number() over (
                     partition by r.network order by r.expires_at desc, r.digest) as place
              from meterr.passkey_ceremony r
             where r.site = site_) c
     order by c.place, c.expires_at desc, c.digest offset site_kept);
  delete from meterr.passkey_ceremony where digest in (
    select c.digest
      from (select r.digest, r.expires_at, row_number() over (
                     partition by r.network order by r.expires_at desc, r.digest) as place
              from meterr.passkey_ceremony r
             where r.user_id = user_id_) c
     order by c.place, c.expires_at desc, c.digest offset account_kept);
  if (select count(*) from meterr.passkey_ceremony) >= total_max then
    delete from meterr.passkey_ceremony where digest in (
      select c.digest
        from (select r.digest, r.expires_at, row_number() over (
                       partition by r.site order by r.expires_at desc, r.digest) as place
                from meterr.passkey_ceremony r) c
       order by c.place, c.expires_at desc, c.digest offset total_kept);
  end if;
end
$$;

-- What has expired, at most 1,000 rows of each kind at a time: links and challenges a day after their
-- end, TOTP secrets that nobody confirmed within a day and what is left of ended ones, windows that nobody touched for 30 days, or for a day when nobody ever passed there, and what
-- callers of the API sent more than ten minutes ago.
create function meterr.prune_people(at_ms bigint) returns integer
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  pruned integer;
  before timestamptz := to_timestamp(at_ms / 1000) - interval '1 day';
begin
  with claims as (
    delete from meterr.user_claim where digest in (
      select digest from meterr.user_claim where expires_at < before
       limit 1000 for update skip locked) returning 1
  ), ceremonies as (
    delete from meterr.passkey_ceremony where digest in (
      select digest from meterr.passkey_ceremony where expires_at < before
       limit 1000 for update skip locked) returning 1
  ), secrets as (
    delete from meterr.totp_factor where (user_id, factor_id) in (
      select user_id, factor_id from meterr.totp_factor
       where state <> 'active' and created_at < before
       limit 1000 for update skip locked) returning 1
  ), windows as (
    delete from meterr.sign_in_window where (kind, subject) in (
      select kind, subject from meterr.sign_in_window
       where touched_ms < at_ms - 86400000
         and (passed_ms = 0 or touched_ms < at_ms - 30 * 86400000::bigint)
       limit 1000 for update skip locked) returning 1
  ), callers as (
    delete from meterr.api_window where caller in (
      select caller from meterr.api_window where began_ms < at_ms - 600000
       limit 1000 for update skip locked) returning 1
  )
  select (select count(*) from claims) + (select count(*) from ceremonies)
       + (select count(*) from secrets) + (select count(*) from windows)
       + (select count(*) from callers)
    into pruned;
  return pruned;
end
$$;

grant usage on schema meterr to meterr_identity;

grant select on meterr.key_for_authentication to meterr_auth;

grant select on meterr.membership to meterr_app;

grant select, insert on meterr.user_account to meterr_identity;
grant update (state, disabled_at, credentials_changed_at) on meterr.user_account to meterr_identity;
grant select, insert on meterr.membership to meterr_identity;
grant update (role, created_at, ended_at) on meterr.membership to meterr_identity;
grant select on meterr.role_for_authentication to meterr_identity;
grant select, insert on meterr.user_claim to meterr_identity;
grant update (used_at) on meterr.user_claim to meterr_identity;
grant select, insert on meterr.user_password to meterr_identity;
grant update (hash, short, changed_at) on meterr.user_password to meterr_identity;
grant select, insert on meterr.totp_factor to meterr_identity;
grant update (factor_id, sealed, state, last_step, created_at) on meterr.totp_factor
  to meterr_identity;
-- The platform's data keys, wrapped: to read, and to hold while something is sealed. Whoever locks a
-- row must be allowed to update some column of it; the policy then lets no changed row pass.
create policy people_read on meterr.data_key for select to meterr_identity
  using (tenant_id = '00000000-0000-0000-0000-000000000000');
create policy people_hold on meterr.data_key for update to meterr_identity
  using (tenant_id = '00000000-0000-0000-0000-000000000000') with check (false);
grant select, update (created_at) on meterr.data_key to meterr_identity;

grant select, insert on meterr.passkey to meterr_identity;
grant update (sign_count, backed_up, last_used_at, ended_at) on meterr.passkey to meterr_identity;
grant select, insert on meterr.passkey_ceremony to meterr_identity;
grant update (used_at) on meterr.passkey_ceremony to meterr_identity;
grant select, insert on meterr.recovery_codes to meterr_identity;
grant update (digests, made_at) on meterr.recovery_codes to meterr_identity;
grant select, insert on meterr.sign_in_window to meterr_identity;
grant update (began_ms, attempts, level, blocked_to_ms, passed_ms, touched_ms)
  on meterr.sign_in_window to meterr_identity;
grant execute on function meterr.prune_people(bigint) to meterr_identity;
grant select, insert on meterr.api_window to meterr_identity;
grant update (began_ms, requests) on meterr.api_window to meterr_identity;
grant execute on function meterr.make_room_for_challenge(
  timestamptz, text, text, uuid, integer, integer, integer, integer, integer) to meterr_identity;


-- How keys follow each other ---------------------------------------------------------------------

-- Every key of one tenant, or of all, was revoked at once; one row for each tenant that was named, or
-- lost something. `codes` that were open before are over with it.
create table meterr.key_emergency (
  tenant_id     uuid        not null references meterr.tenant,
  emergency_id  uuid        not null,
  reason        text        not null check (reason <> ''),
  author        text        not null,
  keys          integer     not null,
  codes         integer     not null,
  started_at    timestamptz not null default now(),
  primary key (tenant_id, emergency_id)
);

-- That one key follows another, or will when its one-time code is handed in: until then there is no
-- such key. A code is kept as its HMAC under a pepper, as keys are. It counts while who made it, a
-- member of this tenant, may still make such a one; without `made_by` that was who runs the database.
create table meterr.key_succession (
  tenant_id     uuid        not null,
  successor_id  uuid        not null,
  key_id        uuid        not null,
  kind          text        not null check (kind in ('asked', 'policy', 'emergency')),
  reason        text        not null check (reason <> ''),
  author        text        not null,
  made_by       uuid,
  created_at    timestamptz not null default now(),
  code_mac      bytea       unique check (octet_length(code_mac) = 32),
  pepper_id     text,
  code_expires_at  timestamptz,
  grace         interval    not null default '0',
  followed_at   timestamptz,
  primary key (tenant_id, successor_id),
  foreign key (tenant_id, key_id) references meterr.api_key,
  foreign key (tenant_id, made_by) references meterr.membership (tenant_id, user_id),
  constraint followed_or_awaited check (followed_at is not null or code_mac is not null),
  constraint code_is_whole check (num_nulls(code_mac, pepper_id, code_expires_at) in (0, 3))
);

-- A key waits for one successor at a time.
create unique index key_succession_awaited
  on meterr.key_succession (tenant_id, key_id) where followed_at is null;
create index key_succession_by_author
  on meterr.key_succession (tenant_id, made_by) where followed_at is null;

-- How old keys may get: of one key, or with the nil id of every key of the tenant that has none of
-- its own.
create table meterr.key_policy (
  tenant_id   uuid        not null references meterr.tenant,
  key_id      uuid        not null default '00000000-0000-0000-0000-000000000000',
  max_age     interval    not null check (max_age >= '1 hour'),
  notice      interval    not null check (notice >= '0' and notice < max_age),
  grace       interval    not null check (grace >= '0'),
  author      text        not null,
  changed_at  timestamptz not null default now(),
  ended_at    timestamptz,
  primary key (tenant_id, key_id)
);

-- When a key was used last. A table of its own: a change of api_key makes every process read again.
create table meterr.key_use (
  tenant_id     uuid        not null,
  key_id        uuid        not null,
  last_used_at  timestamptz not null,
  primary key (tenant_id, key_id),
  foreign key (tenant_id, key_id) references meterr.api_key
) with (fillfactor = 50);

-- Who still calls with a key that has a successor, at most 50 for each key. The unspecified address
-- stands for those that a process could not keep apart.
create table meterr.key_caller (
  tenant_id   uuid        not null,
  key_id      uuid        not null,
  address     inet        not null,
  user_agent  text        not null check (length(user_agent) <= 120),
  calls       bigint      not null check (calls > 0),
  first_at    timestamptz not null,
  last_at     timestamptz not null,
  primary key (tenant_id, key_id, address, user_agent),
  foreign key (tenant_id, key_id) references meterr.api_key
);

alter table meterr.key_emergency enable row level security;
alter table meterr.key_emergency force row level security;
alter table meterr.key_succession enable row level security;
alter table meterr.key_succession force row level security;
alter table meterr.key_policy enable row level security;
alter table meterr.key_policy force row level security;
alter table meterr.key_use enable row level security;
alter table meterr.key_use force row level security;
alter table meterr.key_caller enable row level security;
alter table meterr.key_caller force row level security;

create policy own_rows on meterr.key_emergency to meterr_app
  using (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid);
create policy own_rows on meterr.key_succession to meterr_app
  using (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid);
create policy own_rows on meterr.key_policy to meterr_app
  using (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid);
create policy own_rows on meterr.key_use to meterr_app
  using (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid);
create policy own_rows on meterr.key_caller to meterr_app
  using (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid);

-- For the functions below, which run as the owner.
create policy owner_changes on meterr.api_key for update to meterr_owner
  using (true) with check (true);
create policy owner_adds on meterr.key_emergency for insert to meterr_owner with check (true);
create policy owner_reads on meterr.key_emergency for select to meterr_owner using (true);
create policy owner_reads on meterr.key_succession for select to meterr_owner using (true);
create policy owner_changes on meterr.key_succession for update to meterr_owner
  using (true) with check (true);
create policy owner_keeps on meterr.key_use to meterr_owner using (true) with check (true);
create policy owner_keeps on meterr.key_caller to meterr_owner using (true) with check (true);

create function meterr.keep_retired() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'what has ended or retired stays so' using errcode = 'check_violation';
end
$$;

create trigger keep_followed before update on meterr.key_succession
  for each row when (old.followed_at is not null) execute function meterr.keep_retired();

-- Codes of somebody who left, or has another role now, as their claims. Whoever collects with one
-- meanwhile waits for the row, and finds it over. In the order in which codes are made.
create function meterr.end_codes() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  with mine as materialized (
    select s.tenant_id, s.successor_id from meterr.key_succession s
     where s.tenant_id = new.tenant_id and s.made_by = new.user_id and s.followed_at is null
     order by s.key_id
       for update
  )
  update meterr.key_succession s set code_expires_at = least(s.code_expires_at, now())
    from mine
   where s.tenant_id = mine.tenant_id and s.successor_id = mine.successor_id
     and s.followed_at is null;
  return null;
end
$$;

create trigger end_codes after update on meterr.membership
  for each row when (old.role <> new.role or new.ended_at is not null)
  execute function meterr.end_codes();

-- What somebody is in the transaction's tenant, while both count; null for nothing.
create function meterr.role_of_member(member_id uuid) returns text
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
  begin atomic
    select r.role from meterr.role_for_authentication r
     where r.tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid
       and r.user_id = member_id and r.user_state = 'active' and r.tenant_state = 'active';
  end;

-- One statement revokes every active key of a tenant, or of all when there is none; with a grace they
-- count for as long. The lock waits for whoever is making or replacing a key, who share it, and holds
-- back the next, so that none slips through; reading keys goes on. Codes that were handed out before
-- end, too: keys first and codes after them, in the order of their keys, as everybody does. A tenant
-- that was named has its row in any case.
create function meterr.revoke_every_key(
  of_tenant uuid, as_emergency uuid, why text, by_whom text, grace interval)
  returns table (tenant_id uuid, keys integer, codes integer)
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  one_version bigint;
  hit jsonb;
  voided jsonb;
begin
  perform pg_advisory_xact_lock(hashtextextended('meterr.api_key', 0));
  one_version := nextval('meterr.identity_version');
  with gone as (
    update meterr.api_key k
       set state = case when grace > '0' then k.state else 'revoked' end,
           revoked_at = case when grace > '0' then k.revoked_at else now() end,
           grace_until = case when grace > '0'
                              then least(k.grace_until, k.expires_at, now() + grace)
                              else k.grace_until end,
           emergency_id = as_emergency, version = one_version
     where k.state = 'active' and (of_tenant is null or k.tenant_id = of_tenant)
    returning k.tenant_id
  )
  select coalesce(jsonb_object_agg(g.tenant_id, g.keys), '{}') into hit
    from (select gone.tenant_id, count(*) as keys from gone group by gone.tenant_id) g;
  perform s.key_id from meterr.key_succession s
    where s.followed_at is null and s.code_expires_at > now()
      and (of_tenant is null or s.tenant_id = of_tenant)
    order by s.tenant_id, s.key_id
      for update;
  with ended as (
    update meterr.key_succession s set code_expires_at = now()
     where s.followed_at is null and s.code_expires_at > now()
       and (of_tenant is null or s.tenant_id = of_tenant)
    returning s.tenant_id
  )
  select coalesce(jsonb_object_agg(e.tenant_id, e.codes), '{}') into voided
    from (select ended.tenant_id, count(*) as codes from ended group by ended.tenant_id) e;
  return query
    with told as (
      insert into meterr.key_emergency as e (tenant_id, emergency_id, reason, author, keys, codes)
      select t.tenant_id, as_emergency, why, by_whom,
             coalesce((hit ->> t.tenant_id::text)::integer, 0),
             coalesce((voided ->> t.tenant_id::text)::integer, 0)
        from (select o.tenant_id::uuid from jsonb_object_keys(hit || voided) as o (tenant_id)
              union select of_tenant where of_tenant is not null) t
      returning e.tenant_id, e.keys, e.codes,
                pg_notify('meterr_identity', json_build_object(
                  'tenant_id', e.tenant_id, 'version', one_version)::text)
    )
    select told.tenant_id, told.keys, told.codes from told;
end
$$;

-- The terms of one key of the transaction's tenant: only of a key that counts, and only for whoever saw
-- it as it is. Nobody has a grant to write them otherwise. Returns its new version, or nothing.
create function meterr.change_key_terms(
  of_key uuid, seen bigint, its_name text, its_scopes text[], its_models text[],
  its_networks cidr[], its_end timestamptz) returns bigint
  language sql security definer
  set search_path = pg_catalog, pg_temp
as $$
  update meterr.api_key k
     set name = its_name, scopes = its_scopes, models = its_models, networks = its_networks,
         expires_at = its_end
   where k.tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid
     and k.key_id = of_key and k.version = seen and k.state = 'active'
  returning k.version;
$$;

-- Whose successor a code is for, before anybody knows the tenant. Whether it still counts is decided
-- by the tenant's own transaction.
create function meterr.find_succession(code_macs bytea[])
  returns table (tenant_id uuid, successor_id uuid)
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
  begin atomic
    select s.tenant_id, s.successor_id from meterr.key_succession s
     where s.code_mac = any (code_macs);
  end;

-- Keys go from one pepper to another. Only from the MAC that their text was found under, so that a late
-- statement undoes nothing; a revoked key stays where it is. A key that somebody is changing is left
-- for another time: nobody waits for this, and it waits for nobody.
create function meterr.move_keys_to_pepper(
  found_macs bytea[], new_macs bytea[], new_pepper text) returns integer
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  moved integer;
begin
  with mine as materialized (
    select k.tenant_id, k.key_id, m.new_mac
      from meterr.api_key k
      join unnest(found_macs, new_macs) as m (found_mac, new_mac) on k.mac = m.found_mac
     where k.state = 'active'
       for update of k skip locked
  )
  update meterr.api_key k set mac = mine.new_mac, pepper_id = new_pepper
    from mine
   where k.tenant_id = mine.tenant_id and k.key_id = mine.key_id;
  get diagnostics moved = row_count;
  return moved;
end
$$;

-- For any number of keys of any tenant, in the order that locks are taken in. Never goes back.
create function meterr.record_key_uses(tenants uuid[], keys uuid[], times timestamptz[])
  returns void
  language sql security definer
  set search_path = pg_catalog, pg_temp
as $$
  insert into meterr.key_use as u (tenant_id, key_id, last_used_at)
  select k.tenant_id, k.key_id, max(n.used_at)
    from unnest(tenants, keys, times) as n (tenant_id, key_id, used_at)
    join meterr.api_key k using (tenant_id, key_id)
   group by k.tenant_id, k.key_id order by k.tenant_id, k.key_id
  on conflict (tenant_id, key_id) do update
     set last_used_at = greatest(u.last_used_at, excluded.last_used_at);
$$;

-- Adds to what is known of callers; of a key with more than 50, those that called last stay.
create function meterr.record_key_callers(
  tenants uuid[], keys uuid[], addresses inet[], agents text[], counts bigint[],
  times timestamptz[]) returns void
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  insert into meterr.key_caller as c
         (tenant_id, key_id, address, user_agent, calls, first_at, last_at)
  select k.tenant_id, k.key_id, n.address, n.agent, sum(n.calls), max(n.at), max(n.at)
    from unnest(tenants, keys, addresses, agents, counts, times)
           as n (tenant_id, key_id, address, agent, calls, at)
    join meterr.api_key k using (tenant_id, key_id)
   group by k.tenant_id, k.key_id, n.address, n.agent
   order by k.tenant_id, k.key_id, n.address, n.agent
  on conflict (tenant_id, key_id, address, user_agent) do update
     set calls = c.calls + excluded.calls, last_at = greatest(c.last_at, excluded.last_at);
  delete from meterr.key_caller c
   using (select d.tenant_id, d.key_id, d.address, d.user_agent,
                 row_number() over (partition by d.tenant_id, d.key_id
                                    order by d.last_at desc, d.address, d.user_agent) as place
            from meterr.key_caller d
           where (d.tenant_id, d.key_id) in (select * from unnest(tenants, keys))) old
   where old.place > 50
     and (c.tenant_id, c.key_id, c.address, c.user_agent)
       = (old.tenant_id, old.key_id, old.address, old.user_agent);
end
$$;

grant select, insert on meterr.key_succession to meterr_app;
grant update (
    kind, code_mac, pepper_id, code_expires_at, reason, author, made_by, grace, followed_at)
  on meterr.key_succession to meterr_app;
grant execute on function meterr.role_of_member(uuid) to meterr_app;
grant select on meterr.key_emergency to meterr_app;
grant select, insert on meterr.key_policy to meterr_app;
grant update (max_age, notice, grace, author, changed_at, ended_at)
  on meterr.key_policy to meterr_app;
grant select on meterr.key_use to meterr_app;
grant select on meterr.key_caller to meterr_app;
grant execute on function meterr.revoke_every_key(uuid, uuid, text, text, interval) to meterr_app;
grant execute on function meterr.change_key_terms(
  uuid, bigint, text, text[], text[], cidr[], timestamptz) to meterr_app;
grant execute on function meterr.find_succession(bytea[]) to meterr_app;
grant execute on function meterr.move_keys_to_pepper(bytea[], bytea[], text) to meterr_app;
grant execute on function meterr.record_key_uses(uuid[], uuid[], timestamptz[]) to meterr_app;
grant execute on function meterr.record_key_callers(
  uuid[], uuid[], inet[], text[], bigint[], timestamptz[]) to meterr_app;


-- Questions that a person has confirmed: examples for the next one ---------------------------------

-- Read back to the model with a question that is like it; `intent` is '' where a person or the model
-- wrote the SQL. Plain text of the tenant's own, and checked again before it runs.
create table meterr.verified_question (
  tenant_id    uuid        not null references meterr.tenant,
  question_id  uuid        not null,
  source       text        not null check (length(source) between 1 and 63),
  question     text        not null check (length(question) between 1 and 500),
  intent       text        not null default '' check (length(intent) <= 4000),
  sql          text        not null check (octet_length(sql) between 1 and 20000),
  author       text        not null check (length(author) between 1 and 200),
  created_at   timestamptz not null default now(),
  ended_at     timestamptz,
  primary key (tenant_id, question_id),
  constraint one_answer_each unique (tenant_id, source, question)
);

alter table meterr.verified_question enable row level security;
alter table meterr.verified_question force row level security;

create policy own_rows on meterr.verified_question to meterr_app
  using (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid);

grant select, insert on meterr.verified_question to meterr_app;
grant update (intent, sql, author, created_at, ended_at) on meterr.verified_question to meterr_app;

-- Questions that are open, by who asked; a crash of the server ends them, so they are in no log of it.
-- What a process left behind that was killed ends by itself. The n-th place is taken by one alone, in
-- whatever process: an insert that finds it being taken waits, and goes on to the next.
create unlogged table meterr.question_turn (
  turn_id  uuid        not null default gen_random_uuid() primary key,
  asker    text        not null check (length(asker) between 1 and 200),
  place    integer     not null check (place > 0),
  ends_at  timestamptz not null,
  constraint one_in_a_place unique (asker, place)
);

create index question_turn_by_end on meterr.question_turn (ends_at);

create function meterr.take_question_turn(who text, turns_max integer, at_most interval) returns uuid
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  taken uuid;
begin
  delete from meterr.question_turn where turn_id in (
    select turn_id from meterr.question_turn where ends_at < now()
     limit 1000 for update skip locked);
  for n in 1..turns_max loop
    insert into meterr.question_turn (asker, place, ends_at) values (who, n, now() + at_most)
    on conflict (asker, place) do nothing returning turn_id into taken;
    exit when taken is not null;
  end loop;
  return taken;
end
$$;

create function meterr.end_question_turn(turn uuid) returns void
  language sql security definer
  set search_path = pg_catalog, pg_temp
begin atomic
  delete from meterr.question_turn where turn_id = turn;
end;

grant execute on function meterr.take_question_turn(text, integer, interval) to meterr_app;
grant execute on function meterr.end_question_turn(uuid) to meterr_app;


-- Sessions: who is signed in, and what access tokens are signed with -----------------------------

-- Keys of access tokens; meterr's own, under the nil id. `secret` is there while the key may sign: a
-- key that only verifies has none to lose. `public_key` is known to every process before it signs.
create table meterr.signing_key (
  tenant_id           uuid        not null,
  kid                 text        not null check (kid ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
  state               text        not null check (state in ('next', 'current', 'previous', 'gone')),
  public_key          bytea       not null check (octet_length(public_key) = 32),
  secret              bytea       constraint secret_is_sealed
                                  check (octet_length(secret) >= 33 and get_byte(secret, 0) = 1),
  secret_key_version  integer     generated always as (
    (get_byte(secret, 1) << 24) | (get_byte(secret, 2) << 16)
    | (get_byte(secret, 3) << 8) | get_byte(secret, 4)) stored,
  created_at          timestamptz not null,
  accepted_to         timestamptz,
  version             bigint      not null default 0,
  primary key (tenant_id, kid),
  foreign key (tenant_id, secret_key_version) references meterr.data_key (tenant_id, live_version),
  constraint secret_while_it_may_sign
    check ((secret is not null) = (state in ('next', 'current'))),
  constraint ends_after_it_signed
    check ((accepted_to is not null) = (state in ('previous', 'gone')))
);

create unique index signing_key_one_of_each
  on meterr.signing_key (tenant_id, state) where state in ('next', 'current');
create index signing_key_by_key on meterr.signing_key (tenant_id, secret_key_version);

-- One row is one family of refresh tokens. `refresh_digest` knows the one that is good, and
-- `previous_digest` the one before it, which a browser may send once more when an answer was lost;
-- `salt` made the one from the other; `pepper_id` is what the good one is tagged with. Ended, never
-- deleted, until nobody asks any more.
create table meterr.user_session (
  session_id       uuid        primary key,
  user_id          uuid        not null references meterr.user_account,
  factor_at        timestamptz,
  address          text        not null,
  user_agent       text        not null,
  created_at       timestamptz not null,
  seen_at          timestamptz not null,
  ends_at          timestamptz not null,
  generation       integer     not null default 0 check (generation >= 0),
  refresh_digest   bytea       not null check (octet_length(refresh_digest) = 32),
  pepper_id        text        not null,
  previous_digest  bytea       check (octet_length(previous_digest) = 32),
  salt             bytea       check (octet_length(salt) = 32),
  rotated_at       timestamptz,
  ended_at         timestamptz,
  ended_because    text        check (ended_because in (
    'signed_out', 'ended', 'idle', 'over', 'reused', 'replaced', 'too_many', 'credentials', 'role',
    'restored')),
  constraint ended_for_a_reason check ((ended_at is null) = (ended_because is null)),
  constraint rotated_as_a_whole check ((generation = 0) = (previous_digest is null)
    and (previous_digest is null) = (salt is null) and (salt is null) = (rotated_at is null))
);

create index user_session_of_user on meterr.user_session (user_id) where ended_at is null;
create index user_session_by_end on meterr.user_session (ends_at);

-- Where an account was used from, as place_of() has it: what is not here is news to the person. A session
-- knows only where it was last.
create table meterr.user_place (
  user_id  uuid         not null references meterr.user_account,
  place    text         not null check (place <> ''),
  seen_at  timestamptz  not null,
  primary key (user_id, place)
);

create index user_place_by_time on meterr.user_place (seen_at);

-- A password was right and something is still owed. The marks say which password and which factors
-- that was about: whoever signs in while they change has to begin again.
create table meterr.sign_in_challenge (
  digest          bytea       primary key check (octet_length(digest) = 32),
  user_id         uuid        not null references meterr.user_account,
  owes            text        not null check (owes in ('give', 'enrol')),
  credentials_at  timestamptz not null,
  password_at     timestamptz not null,
  created_at      timestamptz not null,
  expires_at      timestamptz not null,
  used_at         timestamptz
);

create index sign_in_challenge_by_expiry on meterr.sign_in_challenge (expires_at);

create function meterr.announce_signing_key() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_notify('meterr_identity', json_build_object(
    'tenant_id', new.tenant_id, 'signing_key', new.kid, 'version', new.version)::text);
  return null;
end
$$;

create function meterr.announce_session() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_notify('meterr_identity', json_build_object(
    'tenant_id', '00000000-0000-0000-0000-000000000000', 'session_id', new.session_id,
    'version', nextval('meterr.identity_version'))::text);
  return null;
end
$$;

-- In the transaction that changes a password, a factor, a role or the account: nobody can forget it.
create function meterr.end_sessions() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update meterr.user_session set ended_at = clock_timestamp(), ended_because = tg_argv[0]
   where user_id = new.user_id and ended_at is null;
  return null;
end
$$;

create trigger stamp_version before insert or update on meterr.signing_key
  for each row execute function meterr.stamp_identity_version();
create trigger keep_retired before update on meterr.signing_key
  for each row when (array_position(array['next', 'current', 'previous', 'gone'], new.state)
                     < array_position(array['next', 'current', 'previous', 'gone'], old.state))
  execute function meterr.keep_retired();
create trigger keep_accepted_to before update on meterr.signing_key
  for each row when (old.accepted_to is not null and old.accepted_to is distinct from new.accepted_to)
  execute function meterr.keep_end('accepted_to');
create trigger keep_used_at before update on meterr.sign_in_challenge
  for each row when (old.used_at is not null and old.used_at is distinct from new.used_at)
  execute function meterr.keep_end('used_at');
create trigger announce after insert or update of state on meterr.signing_key
  for each row execute function meterr.announce_signing_key();
create trigger keep_ended before update on meterr.user_session
  for each row when (old.ended_at is not null) execute function meterr.keep_retired();
create trigger announce after update on meterr.user_session
  for each row when (old.ended_at is distinct from new.ended_at)
  execute function meterr.announce_session();
create trigger end_sessions after update on meterr.user_account
  for each row when (old.state <> new.state
                     or old.credentials_changed_at <> new.credentials_changed_at)
  execute function meterr.end_sessions('credentials');
create trigger end_sessions after insert or update on meterr.membership
  for each row execute function meterr.end_sessions('role');

alter table meterr.signing_key enable row level security;
alter table meterr.signing_key force row level security;

create policy own_rows on meterr.signing_key to meterr_app
  using (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid);

-- For the view below, which runs as the owner.
create policy owner_reads on meterr.signing_key for select to meterr_owner using (true);

-- What access tokens are verified with.
create view meterr.verifying_key with (security_barrier) as
  select k.kid, k.state, k.public_key, k.accepted_to
    from meterr.signing_key k
   where k.tenant_id = '00000000-0000-0000-0000-000000000000' and k.state <> 'gone';

-- Challenges a day after their end, sessions 30 days after theirs, places 30 days after they were seen; at
-- most 1,000 of each at a time.
create function meterr.prune_sessions(at_ms bigint) returns integer
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  pruned integer;
  now_ timestamptz := to_timestamp(at_ms / 1000);
begin
  with challenges as (
    delete from meterr.sign_in_challenge where digest in (
      select digest from meterr.sign_in_challenge where expires_at < now_ - interval '1 day'
       limit 1000 for update skip locked) returning 1
  ), sessions as (
    delete from meterr.user_session where session_id in (
      select session_id from meterr.user_session where ends_at < now_ - interval '30 days'
       limit 1000 for update skip locked) returning 1
  ), places as (
    delete from meterr.user_place where (user_id, place) in (
      select user_id, place from meterr.user_place where seen_at < now_ - interval '30 days'
       limit 1000 for update skip locked) returning 1
  )
  select (select count(*) from challenges) + (select count(*) from sessions)
       + (select count(*) from places)
    into pruned;
  return pruned;
end
$$;

grant select, insert on meterr.signing_key to meterr_app;
grant update (state, secret, accepted_to) on meterr.signing_key to meterr_app;
grant select on meterr.verifying_key to meterr_identity;
grant select, insert on meterr.user_session to meterr_identity;
grant update (address, user_agent, seen_at, generation, refresh_digest, previous_digest, salt,
              pepper_id, rotated_at, ended_at, ended_because)
  on meterr.user_session to meterr_identity;
grant select, insert on meterr.sign_in_challenge to meterr_identity;
grant update (used_at) on meterr.sign_in_challenge to meterr_identity;
grant execute on function meterr.prune_sessions(bigint) to meterr_identity;


-- What depends on a pepper, and what a backup brings back ----------------------------------------

-- How much depends on each pepper: keys that may still be used, codes that may still be handed in,
-- and sessions whose refresh token is tagged with it.
create function meterr.count_by_pepper()
  returns table (pepper_id text, keys bigint, codes bigint, sessions bigint)
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
  begin atomic
    select u.pepper_id, count(*) filter (where u.what = 'key'::text),
           count(*) filter (where u.what = 'code'::text), count(*) filter (where u.what = 'session'::text)
      from (select k.pepper_id, 'key'::text as what from meterr.api_key k
             where k.state = 'active'
               and least(k.expires_at, k.grace_until, k.due_until) is distinct from '-infinity'
               and coalesce(least(k.expires_at, k.grace_until, k.due_until) > now(), true)
            union all
            select s.pepper_id, 'code'::text from meterr.key_succession s
             where s.followed_at is null and s.code_expires_at > now()
            union all
            select s.pepper_id, 'session'::text from meterr.user_session s
             where s.ended_at is null and s.ends_at > now()) u
     group by u.pepper_id order by u.pepper_id;
  end;

grant execute on function meterr.count_by_pepper() to meterr_app;

-- After a restore, in its transaction: nobody is signed in, no link, challenge or code is good, and
-- what the database before knew to have ended (pg_temp.meterr_ended) stays so. With an id for the
-- emergency every key is ended, too. Returns what came of it, for the person who restores. Runs as
-- that person, an administrator whom row-level security does not hold; and it comes with the backup
-- that it is about, so it fits its tables.
create function meterr.settle_restored(as_emergency uuid, by_whom text) returns json
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  stay bigint := 0;
  sessions bigint;
  links bigint;
  codes bigint;
  struck bigint := 0;
  knew boolean := false;
begin
  if to_regclass('pg_temp.meterr_ended') is not null then
    knew := exists (select from pg_temp.meterr_ended e where e.kind = 'all');
    update meterr.api_key k set state = 'revoked', revoked_at = e.ended_at
      from pg_temp.meterr_ended e
     where e.kind = 'key' and k.tenant_id = e.tenant_id and k.key_id = e.id and k.state = 'active';
    get diagnostics stay = row_count;
    update meterr.api_key k set for_good = true
      from pg_temp.meterr_ended e
     where e.kind = 'for good' and k.tenant_id = e.tenant_id and k.key_id = e.id
       and not k.for_good;
    update meterr.api_key k set grace_until = least(k.grace_until, e.ended_at)
      from pg_temp.meterr_ended e
     where e.kind = 'grace' and k.tenant_id = e.tenant_id and k.key_id = e.id
       and k.grace_until is distinct from least(k.grace_until, e.ended_at);
    update meterr.api_key k set due_at = least(k.due_at, e.ended_at),
           due_until = least(k.due_until, e.ended_at)
      from pg_temp.meterr_ended e
     where e.kind = 'due' and k.tenant_id = e.tenant_id and k.key_id = e.id
       and k.due_until is distinct from least(k.due_until, e.ended_at);
    update meterr.api_key k set expires_at = least(k.expires_at, e.ended_at)
      from pg_temp.meterr_ended e
     where e.kind = 'expiry' and k.tenant_id = e.tenant_id and k.key_id = e.id
       and k.expires_at is distinct from least(k.expires_at, e.ended_at);
    update meterr.tenant t set state = 'disabled'
      from pg_temp.meterr_ended e
     where e.kind = 'tenant' and t.tenant_id = e.tenant_id and t.state = 'active';
    update meterr.user_account u set state = 'disabled', disabled_at = e.ended_at
      from pg_temp.meterr_ended e
     where e.kind = 'user' and u.user_id = e.id and u.state = 'active';
    update meterr.membership m set ended_at = e.ended_at
      from pg_temp.meterr_ended e
     where e.kind = 'member' and m.tenant_id = e.tenant_id and m.user_id = e.id
       and m.ended_at is null and m.created_at < e.ended_at;
  end if;
  -- The triggers above have ended some of them; those were signed in, too.
  select count(*) into sessions from meterr.user_session s
   where (s.ended_at is null or s.ended_at >= now()) and s.ends_at > now();
  update meterr.user_session set ended_at = now(), ended_because = 'restored'
   where ended_at is null;
  update meterr.user_claim set used_at = now() where used_at is null and expires_at > now();
  get diagnostics links = row_count;
  update meterr.passkey_ceremony set used_at = now() where used_at is null;
  update meterr.sign_in_challenge set used_at = now() where used_at is null;
  update meterr.key_succession set code_expires_at = now()
   where followed_at is null and code_expires_at > now();
  get diagnostics codes = row_count;
  if as_emergency is not null then
    select coalesce(sum(r.keys), 0) into struck
      from meterr.revoke_every_key(
        null, as_emergency, 'restored from a backup', by_whom, interval '0') r;
  end if;
  perform pg_notify('meterr_identity', json_build_object(
      'tenant_id', t.tenant_id, 'version', nextval('meterr.identity_version'))::text)
    from meterr.tenant t;
  return (
    select json_build_object(
        'keys', count(*), 'tenants', count(distinct k.tenant_id), 'stay_revoked', stay,
        'knew', knew, 'struck', struck, 'sessions', sessions, 'links', links, 'codes', codes)
      from meterr.api_key k
      join meterr.tenant t using (tenant_id)
     where k.state = 'active' and t.state = 'active'
       and coalesce(least(k.expires_at, k.grace_until, k.due_until) > now(), true));
end
$$;


-- Security events, and what people are told of them ----------------------------------------------

-- What happened, written in the transaction of the change that it reports: append-only, one partition
-- per UTC day. The nil id stands for the installation. `at` is the time inside `id` (UUIDv7); `kind` and
-- what goes with it are core.events. Nobody may insert: record_event() is the only way in, so that
-- no row has a time or an id that somebody chose.
create table meterr.security_event (
  tenant_id    uuid        not null,
  at           timestamptz not null,
  id           uuid        not null,
  kind         text        not null check (kind ~ '^[a-z_]+\.[a-z_]+$'),
  severity     text        not null check (severity in ('info', 'warning', 'critical')),
  outcome      text        not null check (outcome in ('done', 'refused', 'failed')),
  actor_kind   text        not null,
  actor_id     text        not null check (length(actor_id) <= 100),
  target_kind  text        not null,
  target_id    text        not null check (length(target_id) <= 200),
  network      text        not null check (length(network) <= 43),
  detail       jsonb       not null check (jsonb_typeof(detail) = 'object' and pg_column_size(detail) <= 8192),
  primary key (tenant_id, at, id)
) partition by range (at);

create table meterr.security_event_default partition of meterr.security_event default;

alter table meterr.security_event enable row level security;
alter table meterr.security_event force row level security;
alter table meterr.security_event_default enable row level security;
alter table meterr.security_event_default force row level security;

create policy own_rows on meterr.security_event to meterr_app
  using (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid);
-- For record_event() and has_told(), which run as the owner.
create policy owner_appends on meterr.security_event for insert to meterr_owner with check (true);
create policy owner_reads on meterr.security_event for select to meterr_owner using (true);

-- A UUIDv7 (RFC 9562): milliseconds, microseconds in the 12 bits after them, 62 random bits. So what
-- happens in one millisecond is in order, too.
create function meterr.id_of_time(at timestamptz) returns uuid
  language sql volatile
  set search_path = pg_catalog, pg_temp
  begin atomic
    select (lpad(to_hex(t.us / 1000), 12, '0') || to_hex(28672 + t.us % 1000 * 4096 / 1000)
            || encode(substring(uuid_send(gen_random_uuid()) from 9), 'hex'))::uuid
      from (select (extract(epoch from at) * 1000000)::bigint as us) t;
  end;

-- Any service may say what happened to any tenant; what it says cannot be taken back.
create function meterr.record_event(
  of_tenant uuid, kind text, severity text, outcome text, actor_kind text, actor_id text,
  target_kind text, target_id text, network text, detail jsonb)
  returns table (event_id uuid, event_at timestamptz)
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  now_ timestamptz := clock_timestamp();
begin
  event_at := date_trunc('milliseconds', now_);
  event_id := meterr.id_of_time(now_);
  insert into meterr.security_event values (
    of_tenant, event_at, event_id, kind, severity, outcome, actor_kind, actor_id,
    target_kind, target_id, network, detail);
  return next;
end
$$;

-- As ensure_ledger_partitions() does for the ledger.
create function meterr.ensure_event_partitions(from_day date, to_day date) returns integer
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
  set timezone = 'UTC'
  set lock_timeout = '2s'
as $$
declare
  day date := from_day;
  partition name;
  made integer := 0;
begin
  if from_day is null or to_day is null or to_day - from_day not between 0 and 400 then
    raise exception 'ensure_event_partitions: % to % is not between 1 and 401 days', from_day, to_day
      using errcode = 'invalid_parameter_value';
  end if;
  perform pg_advisory_xact_lock(hashtextextended('meterr.ensure_event_partitions', 0));
  while day <= to_day loop
    partition := 'security_event_' || to_char(day, 'YYYYMMDD');
    if to_regclass('meterr.' || partition) is null then
      perform meterr.make_partition('security_event', partition, day::timestamptz, (day + 1)::timestamptz);
      made := made + 1;
    end if;
    day := day + 1;
  end loop;
  return made;
end
$$;

-- Drops the oldest day before `before` and returns it; null when there is none or another session is at
-- it. Gives up with lock_not_available rather than make those wait who record.
create function meterr.drop_event_day(before date) returns date
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
  set timezone = 'UTC'
  set lock_timeout = '500ms'
as $$
declare
  partition name;
begin
  -- What happened half a year ago is what people ask for after a break-in: no role may drop less.
  if before is null or before > current_date - 180 then
    raise exception 'drop_event_day: % is not at least 180 days ago', before
      using errcode = 'invalid_parameter_value';
  end if;
  if not pg_try_advisory_xact_lock(hashtextextended('meterr.drop_event_day', 0)) then
    return null;
  end if;
  select c.relname into partition
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
   where i.inhparent = 'meterr.security_event'::regclass
     and c.relname ~ '^security_event_[0-9]{8}$'
     and c.relname < 'security_event_' || to_char(before, 'YYYYMMDD')
   order by c.relname
   limit 1;
  if not found then
    return null;
  end if;
  execute format('alter table meterr.security_event detach partition meterr.%I', partition);
  execute format('drop table meterr.%I', partition);
  return right(partition, 8)::date;
end
$$;

-- A person is told of an event that concerns them, once. No row of a tenant's: people read their own,
-- whatever they are members of. `about` is a name that they gave, `many` how many things of theirs it is
-- about. `mail_due_at` is null when nothing is to be sent (any more). What is `gathered` waits for one letter
-- that tells of all of it: all of a person's that wait have one time.
create table meterr.notice (
  user_id        uuid        not null references meterr.user_account,
  event_id       uuid        not null,
  at             timestamptz not null,
  kind           text        not null,
  about_tenant   uuid,
  about          text        not null,
  many           integer     not null check (many > 0),
  read_at        timestamptz,
  mail_due_at    timestamptz,
  mail_attempts  integer     not null default 0,
  gathered       boolean     not null default false,
  mailed_at      timestamptz,
  primary key (user_id, event_id)
);

create index notice_by_time on meterr.notice (user_id, at desc, event_id desc);
create index notice_to_mail on meterr.notice (mail_due_at) where mail_due_at is not null;
create index notice_waiting on meterr.notice (user_id, gathered, mail_due_at) where mail_due_at is not null;
create index notice_mailed on meterr.notice (user_id, mailed_at) where mailed_at is not null;

create function meterr.notify_person(
  event_id uuid, event_at timestamptz, event_kind text, of_tenant uuid, person uuid, concerning text)
  returns void
  language sql security definer
  set search_path = pg_catalog, pg_temp
  begin atomic
    insert into meterr.notice (user_id, event_id, at, kind, about_tenant, about, many, mail_due_at)
    values (person, event_id, event_at, event_kind, of_tenant, concerning, 1, event_at)
    on conflict do nothing;
  end;

-- Tells whoever keeps keys: those named, or all that an emergency ended. The person who owns a key
-- keeps it; one without such a person is kept by the administrators of its tenant. However many keys
-- it is about, each person is told once.
create function meterr.notify_keepers(
  event_id uuid, event_at timestamptz, event_kind text, whose uuid, keys uuid[], emergency uuid)
  returns integer
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  told integer;
begin
  with owned as (
    select k.owner_user_id, count(*) as many, min(k.name) as about
      from meterr.api_key k
     where k.tenant_id = whose
       and case when emergency is null then k.key_id = any (keys) else k.emergency_id = emergency end
     group by k.owner_user_id
  ), member as (
    select m.user_id, m.role
      from meterr.membership m join meterr.user_account u using (user_id)
     where m.tenant_id = whose and m.ended_at is null and u.state = 'active'
  ), keeper as (
    select m.user_id, o.many, o.about
      from owned o join member m on m.user_id = o.owner_user_id
    union all
    select m.user_id, o.many, o.about
      from owned o cross join member m
     where m.role = 'admin'
       and not exists (select from member n where n.user_id = o.owner_user_id)
  )
  insert into meterr.notice (user_id, event_id, at, kind, about_tenant, about, many, mail_due_at)
  select k.user_id, notify_keepers.event_id, event_at, event_kind, whose, min(k.about), sum(k.many),
         event_at
    from keeper k
   group by k.user_id
  on conflict do nothing;
  get diagnostics told = row_count;
  return told;
end
$$;

-- Notices of more than 180 days ago, at most 1,000 at a time.
create function meterr.prune_notices() returns integer
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  pruned integer;
begin
  delete from meterr.notice where (user_id, event_id) in (
    select n.user_id, n.event_id from meterr.notice n
     where n.at < now() - interval '180 days' limit 1000 for update skip locked);
  get diagnostics pruned = row_count;
  return pruned;
end
$$;

grant select on meterr.security_event to meterr_app;
grant execute on function meterr.record_event(
  uuid, text, text, text, text, text, text, text, text, jsonb) to meterr_app, meterr_identity;
grant execute on function meterr.ensure_event_partitions(date, date) to meterr_drain;
grant execute on function meterr.drop_event_day(date) to meterr_drain;
grant select on meterr.notice to meterr_identity;
grant update (read_at, mail_due_at, mail_attempts, gathered, mailed_at) on meterr.notice
  to meterr_identity;
grant execute on function meterr.notify_person(uuid, timestamptz, text, uuid, uuid, text)
  to meterr_app, meterr_identity;
grant execute on function meterr.notify_keepers(uuid, timestamptz, text, uuid, uuid[], uuid)
  to meterr_app;
grant execute on function meterr.prune_notices() to meterr_identity;

-- What changes is recorded by the change itself, so that no code can forget it. Who acts stands in
-- meterr.source as kind|id|network, said by core.db for its transaction; without it, meterr acts.
create function meterr.record_change(
  of_tenant uuid, kind text, severity text, target_kind text, target_id text, detail jsonb,
  person uuid default null)
  returns table (event_id uuid, event_at timestamptz)
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  said text[] := string_to_array(
    coalesce(nullif(current_setting('meterr.source', true), ''), 'system||'), '|');
begin
  -- Whoever proves to be somebody in this very transaction acts as that person.
  if person is not null and said[1] in ('nobody', 'system') then
    said := array['user', person::text, said[3]];
  end if;
  return query
    select r.event_id, r.event_at
      from meterr.record_event(of_tenant, kind, severity, 'done', said[1], said[2],
                               target_kind, target_id, said[3], detail) r;
end
$$;

-- Whether this very transaction has recorded one of these kinds of a tenant, about something if that is
-- given. Looks at a hundred events: what tells of a change is among few.
create function meterr.has_told(of_tenant uuid, kinds text[], about text default null) returns boolean
  language sql volatile security definer
  set search_path = pg_catalog, pg_temp
  begin atomic
    select exists (select from (
      select e.kind, e.target_id, e.detail ->> 'successor' as successor
        from meterr.security_event e
       where e.tenant_id = of_tenant and e.at >= date_trunc('milliseconds', now())
         and e.xmin = pg_current_xact_id()::xid
       order by e.at, e.id limit 100) told
     where told.kind = any (kinds) and (about is null or about in (told.target_id, told.successor)));
  end;

-- Many keys may be made in one statement. A successor is told of as such.
create function meterr.record_keys_made() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform meterr.record_change(m.tenant_id, 'key.created', 'info', 'key', m.key_id::text, '{}')
    from made m where m.first_key_id is null;
  return null;
end
$$;

create function meterr.record_key_change() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  r record;
  acting text := nullif(current_setting('meterr.source', true), '');
begin
  select * into strict r
    from meterr.record_change(new.tenant_id, 'key.revoked', 'info', 'key', new.key_id::text, '{}');
  -- A key that meterr made for itself and ends itself is nobody's concern.
  if new.owner <> 'meterr' or coalesce(acting, 'system||') <> 'system||' then
    perform meterr.notify_keepers(r.event_id, r.event_at, 'key.revoked', new.tenant_id,
                                  array[new.key_id], null);
  end if;
  return null;
end
$$;

-- A successor comes, and a key is due, in one transaction with what tells of it; of whatever came without,
-- this tells itself. Run when that transaction ends, whatever its order was.
create function meterr.record_untold_key() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not meterr.has_told(new.tenant_id, array['key.rotated'], new.key_id::text) then
    perform meterr.record_change(new.tenant_id, 'key.created', 'info', 'key', new.key_id::text, '{}');
  end if;
  return null;
end
$$;

create function meterr.record_key_terms() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  changed text;
begin
  if tg_argv[0] = 'rotated'
     and meterr.has_told(new.tenant_id, array['key.rotated'], new.key_id::text)
     or tg_argv[0] = 'due'
     and meterr.has_told(new.tenant_id, array['key.due', 'key.policy_changed']) then
    return null;
  end if;
  select string_agg(n.key, ' ' order by n.key) into changed
    from jsonb_each(to_jsonb(new)) n join jsonb_each(to_jsonb(old)) o using (key)
   where n.value <> o.value and n.key in (
     'name', 'scopes', 'models', 'networks', 'expires_at', 'mac', 'state', 'for_good',
     'successor_id', 'grace_until', 'due_at', 'due_until');
  perform meterr.record_change(new.tenant_id, 'key.changed', 'info', 'key', new.key_id::text,
                               jsonb_build_object('terms', changed));
  return null;
end
$$;

create function meterr.record_rotation() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform meterr.notify_keepers(r.event_id, r.event_at, 'key.rotated', new.tenant_id,
                                array[new.key_id], null)
     from meterr.record_change(new.tenant_id, 'key.rotated', 'info', 'key', new.key_id::text,
            jsonb_build_object('way', new.kind, 'successor', new.successor_id)) r;
  return null;
end
$$;

-- One event for each statement: codes are made by the thousand.
create function meterr.record_codes() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform meterr.record_change(c.tenant_id, 'key.codes_issued', 'warning', 'tenant',
                               c.tenant_id::text, jsonb_build_object('codes', c.codes))
    from (select n.tenant_id, count(*) as codes from made n
           where n.followed_at is null and n.code_expires_at > now() group by n.tenant_id) c;
  return null;
end
$$;

create function meterr.record_codes_again() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform meterr.record_change(c.tenant_id, 'key.codes_issued', 'warning', 'tenant',
                               c.tenant_id::text, jsonb_build_object('codes', c.codes))
    from (select n.tenant_id, count(*) as codes
            from made n join was o using (tenant_id, successor_id)
           where n.followed_at is null and n.code_expires_at > now()
             and (n.code_expires_at > o.code_expires_at
                  or (n.code_mac, n.kind, n.grace, n.author, n.made_by)
                     is distinct from (o.code_mac, o.kind, o.grace, o.author, o.made_by))
           group by n.tenant_id) c;
  return null;
end
$$;

create function meterr.record_emergency() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform meterr.notify_keepers(r.event_id, r.event_at, 'key.emergency', new.tenant_id, null,
                                new.emergency_id)
     from meterr.record_change(new.tenant_id, 'key.emergency', 'critical', 'tenant',
            new.tenant_id::text,
            jsonb_build_object('emergency', new.emergency_id, 'keys', new.keys,
                               'codes', new.codes)) r;
  return null;
end
$$;

create function meterr.record_key_policy() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform meterr.record_change(new.tenant_id, 'key.policy_changed', 'info', 'tenant',
            new.tenant_id::text, jsonb_build_object('ended', new.ended_at is not null));
  return null;
end
$$;

create function meterr.record_tenant() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'INSERT' then
    perform meterr.record_change(new.tenant_id, 'tenant.created', 'info', 'tenant',
                                 new.tenant_id::text, '{}');
  else
    perform meterr.record_change(new.tenant_id, 'tenant.changed', 'info', 'tenant',
              new.tenant_id::text, jsonb_build_object('state', new.state));
  end if;
  return null;
end
$$;

create function meterr.record_limit() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform meterr.record_change(new.tenant_id, 'limit.changed', 'info', 'tenant', new.tenant_id::text,
            jsonb_build_object('limit', new.limit_id, 'measure', new.measure,
              'amount', new.amount::text, 'hard', new.hard, 'ended', new.ended_at is not null));
  return null;
end
$$;

create function meterr.record_price() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform meterr.record_change('00000000-0000-0000-0000-000000000000', 'price.changed', 'info',
            'none', '', jsonb_build_object('override', new.override_id));
  return null;
end
$$;

create function meterr.record_membership() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'INSERT' or new.ended_at is null and old.created_at <> new.created_at
     or old.ended_at is not null and new.ended_at is null then
    perform meterr.record_change(new.tenant_id, 'member.joined', 'info', 'user', new.user_id::text,
              jsonb_build_object('role', new.role), new.user_id);
  elsif new.ended_at is not null then
    perform meterr.record_change(new.tenant_id, 'member.removed', 'info', 'user', new.user_id::text,
              jsonb_build_object('before', old.role));
  else
    perform meterr.notify_person(r.event_id, r.event_at, 'member.role_changed', new.tenant_id,
                                 new.user_id, new.role)
       from meterr.record_change(new.tenant_id, 'member.role_changed', 'warning', 'user',
              new.user_id::text, jsonb_build_object('before', old.role, 'after', new.role)) r;
  end if;
  return null;
end
$$;

create function meterr.record_claim() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  platform constant uuid := '00000000-0000-0000-0000-000000000000';
begin
  if new.joins_tenant is not null then
    -- Not whom: the id of an account has its age in it, and would tell an inviter that there was one.
    perform meterr.record_change(new.joins_tenant, 'member.invited', 'info', 'tenant',
              new.joins_tenant::text, jsonb_build_object('role', new.joins_as));
  else
    perform meterr.notify_person(r.event_id, r.event_at, 'password.reset_issued', null,
                                 new.user_id, '')
       from meterr.record_change(platform, 'password.reset_issued', 'warning', 'user',
                                 new.user_id::text, '{}') r;
  end if;
  return null;
end
$$;

-- What happens to an account: the trigger's arguments are the kind, a name for what it is about, and
-- whether the person is told.
create function meterr.record_account() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  platform constant uuid := '00000000-0000-0000-0000-000000000000';
  kind text := tg_argv[0];
  detail jsonb := '{}';
  place record;
begin
  if tg_argv[1] <> '' then
    detail := jsonb_build_object('factor', tg_argv[1]);
  end if;
  if kind = 'factor.recovery_used' then
    detail := jsonb_build_object('left', cardinality(new.digests));
  end if;
  select r.* into place
    from meterr.record_change(platform, kind,
           case kind when 'password.rehashed' then 'info' else 'warning' end,
           'user', new.user_id::text, detail,
           case when kind not like 'user.%' then new.user_id end) r;
  if tg_argv[2] = 'told' then
    perform meterr.notify_person(place.event_id, place.event_at, kind, null, new.user_id, tg_argv[1]);
  end if;
  return null;
end
$$;

-- What addresses have in common that belong to one place: a /24 or a /48; '' for what is no address.
create function meterr.place_of(address text) returns text
  language plpgsql immutable
  set search_path = pg_catalog, pg_temp
as $$
begin
  return network(set_masklen(address::inet, case family(address::inet) when 4 then 24 else 48 end));
exception when invalid_text_representation then
  return '';
end
$$;

-- Whether an account was not used from a place before; from now on it was. Of two at once one is the first.
-- Nobody waits for the time, which says the day and not the minute.
create function meterr.is_new_place(of_user uuid, place text, at timestamptz) returns boolean
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  made integer;
begin
  if place = '' then
    return false;
  end if;
  insert into meterr.user_place values (of_user, place, at) on conflict do nothing;
  get diagnostics made = row_count;
  if made = 0 then
    update meterr.user_place p set seen_at = at
     where (p.user_id, p.place) in (
       select q.user_id, q.place from meterr.user_place q
        where q.user_id = of_user and q.place = is_new_place.place
          and q.seen_at < at - interval '1 day'
          for update skip locked);
  end if;
  return made > 0;
end
$$;

create function meterr.record_new_network(session meterr.user_session) returns void
  language sql
  set search_path = pg_catalog, pg_temp
  begin atomic
    select meterr.notify_person(r.event_id, r.event_at, 'sign_in.new_network'::text, null::uuid,
                                session.user_id, meterr.place_of(session.address))
      from meterr.record_change('00000000-0000-0000-0000-000000000000'::uuid,
             'sign_in.new_network'::text, 'warning'::text, 'user'::text, session.user_id::text,
             jsonb_build_object('session', session.session_id), session.user_id) r;
  end;

-- A session that takes the place of another one, which ended in this transaction, is no new sign-in.
-- Where the account was first used from is no news.
create function meterr.record_sign_in() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  platform constant uuid := '00000000-0000-0000-0000-000000000000';
begin
  if not exists (select from meterr.user_session s
                  where s.user_id = new.user_id and s.ended_because = 'replaced'
                    and s.xmin = pg_current_xact_id()::xid) then
    perform meterr.record_change(platform, 'sign_in.succeeded', 'info', 'user', new.user_id::text,
              jsonb_build_object('session', new.session_id, 'factor', new.factor_at is not null),
              new.user_id);
  end if;
  if meterr.is_new_place(new.user_id, meterr.place_of(new.address), new.seen_at)
     and exists (select from meterr.user_session s
                  where s.user_id = new.user_id and s.session_id <> new.session_id) then
    perform meterr.record_new_network(new);
  end if;
  return null;
end
$$;

-- A session that goes on from elsewhere: its refresh token did, and may have been taken along.
create function meterr.record_move() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if meterr.is_new_place(new.user_id, meterr.place_of(new.address), new.seen_at) then
    perform meterr.record_new_network(new);
  end if;
  return null;
end
$$;

create function meterr.record_session_end() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  platform constant uuid := '00000000-0000-0000-0000-000000000000';
begin
  if new.ended_because = 'reused' then
    perform meterr.notify_person(r.event_id, r.event_at, 'session.reused', null, new.user_id, '')
       from meterr.record_change(platform, 'session.reused', 'critical', 'session',
                                 new.session_id::text, '{}') r;
  elsif split_part(coalesce(current_setting('meterr.source', true), ''), '|', 2)
        <> new.user_id::text then
    perform meterr.record_change(platform, 'session.ended', 'info', 'session',
              new.session_id::text, '{}');
  end if;
  return null;
end
$$;

create function meterr.record_credential() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform meterr.record_change(new.tenant_id, tg_argv[0], 'info', 'upstream', new.upstream, '{}');
  return null;
end
$$;

create function meterr.record_keyring() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  platform constant uuid := '00000000-0000-0000-0000-000000000000';
begin
  if tg_argv[0] = 'untold' and meterr.has_told(platform, array['signing_key.rotated']) then
    return null;  -- a rotation moves three keys and is one event
  elsif tg_table_name = 'signing_key' then
    perform meterr.record_change(platform, 'signing_key.rotated', 'warning', 'keyring',
              to_jsonb(new) ->> 'kid', '{}');
  else
    perform meterr.record_change(platform, 'keyring.rotated', 'warning', 'keyring',
              to_jsonb(new) ->> 'kek_id', jsonb_build_object('step', tg_argv[0]));
  end if;
  return null;
end
$$;

create trigger record_made after insert on meterr.api_key
  referencing new table as made for each statement execute function meterr.record_keys_made();
create trigger record_change after update on meterr.api_key
  for each row when (old.state <> new.state
                     and new.emergency_id is not distinct from old.emergency_id
                     and new.successor_id is not distinct from old.successor_id)
  execute function meterr.record_key_change();
create trigger record_terms after update on meterr.api_key
  for each row when (old.name <> new.name or old.scopes <> new.scopes
                     or old.models is distinct from new.models
                     or old.networks is distinct from new.networks
                     or old.expires_at is distinct from new.expires_at
                     or old.mac <> new.mac and old.pepper_id = new.pepper_id
                     or old.for_good <> new.for_good and old.state = new.state
                     or old.grace_until is distinct from new.grace_until
                        and old.emergency_id is not distinct from new.emergency_id
                        and old.successor_id is not distinct from new.successor_id)
  execute function meterr.record_key_terms('');
create constraint trigger record_successor after insert on meterr.api_key
  deferrable initially deferred
  for each row when (new.first_key_id is not null) execute function meterr.record_untold_key();
create constraint trigger record_succeeded after update on meterr.api_key
  deferrable initially deferred
  for each row when (old.successor_id is distinct from new.successor_id)
  execute function meterr.record_key_terms('rotated');
create constraint trigger record_due after update on meterr.api_key
  deferrable initially deferred
  for each row when (old.successor_id is not distinct from new.successor_id
                     and (old.due_at is distinct from new.due_at
                          or old.due_until is distinct from new.due_until))
  execute function meterr.record_key_terms('due');
create trigger record_rotation after insert on meterr.key_succession
  for each row when (new.followed_at is not null) execute function meterr.record_rotation();
create trigger record_collected after update on meterr.key_succession
  for each row when (old.followed_at is null and new.followed_at is not null)
  execute function meterr.record_rotation();
create trigger record_codes after insert on meterr.key_succession
  referencing new table as made for each statement execute function meterr.record_codes();
create trigger record_codes_again after update on meterr.key_succession
  referencing old table as was new table as made
  for each statement execute function meterr.record_codes_again();
create trigger record_emergency after insert on meterr.key_emergency
  for each row execute function meterr.record_emergency();
create trigger record_policy after insert or update on meterr.key_policy
  for each row execute function meterr.record_key_policy();
create trigger record_made after insert on meterr.tenant
  for each row execute function meterr.record_tenant();
create trigger record_change after update on meterr.tenant
  for each row when (old.name <> new.name or old.state <> new.state
                     or old.unknown_price <> new.unknown_price or old.time_zone <> new.time_zone)
  execute function meterr.record_tenant();
create trigger record_made after insert on meterr.limit_rule
  for each row execute function meterr.record_limit();
create trigger record_change after update on meterr.limit_rule
  for each row when (old.amount <> new.amount or old.hard <> new.hard
                     or old.ended_at is distinct from new.ended_at)
  execute function meterr.record_limit();
create trigger record_price after insert on meterr.price_override
  for each row execute function meterr.record_price();
create trigger record_made after insert on meterr.membership
  for each row execute function meterr.record_membership();
create trigger record_change after update on meterr.membership
  for each row when (old.role <> new.role or old.created_at <> new.created_at
                     or old.ended_at is distinct from new.ended_at)
  execute function meterr.record_membership();
create trigger record_claim after insert on meterr.user_claim
  for each row execute function meterr.record_claim();
create trigger record_disabled after update on meterr.user_account
  for each row when (old.state = 'active' and new.state = 'disabled')
  execute function meterr.record_account('user.disabled', '', '');
create trigger record_enabled after update on meterr.user_account
  for each row when (old.state = 'disabled' and new.state = 'active')
  execute function meterr.record_account('user.enabled', '', '');
create trigger record_made after insert on meterr.user_password
  for each row execute function meterr.record_account('password.changed', '', '');
-- The same password under other parameters is another hash, and no other time. One of the same
-- parameters is another password, whatever the time says.
create trigger record_change after update on meterr.user_password
  for each row when (old.changed_at <> new.changed_at or old.short <> new.short
                     or old.hash <> new.hash and length(old.hash) = length(new.hash)
                        and split_part(old.hash, '$', 4) = split_part(new.hash, '$', 4))
  execute function meterr.record_account('password.changed', '', 'told');
create trigger record_rehashed after update on meterr.user_password
  for each row when (old.changed_at = new.changed_at and old.short = new.short
                     and (length(old.hash) <> length(new.hash)
                          or split_part(old.hash, '$', 4) <> split_part(new.hash, '$', 4)))
  execute function meterr.record_account('password.rehashed', '', '');
create trigger record_made after insert on meterr.totp_factor
  for each row when (new.state = 'active')
  execute function meterr.record_account('factor.added', 'totp', 'told');
create trigger record_added after update on meterr.totp_factor
  for each row when (old.state <> 'active' and new.state = 'active')
  execute function meterr.record_account('factor.added', 'totp', 'told');
-- What is sealed anew is the same under a newer data key.
create trigger record_swapped after update on meterr.totp_factor
  for each row when (old.state = 'active' and new.state = 'active' and old.sealed <> new.sealed
                     and old.sealed_key_version >= new.sealed_key_version)
  execute function meterr.record_account('factor.added', 'totp', 'told');
create trigger record_removed after update on meterr.totp_factor
  for each row when (old.state = 'active' and new.state = 'ended')
  execute function meterr.record_account('factor.removed', 'totp', 'told');
create trigger record_added after insert on meterr.passkey
  for each row execute function meterr.record_account('factor.added', 'passkey', 'told');
create trigger record_removed after update on meterr.passkey
  for each row when (old.ended_at is null and new.ended_at is not null)
  execute function meterr.record_account('factor.removed', 'passkey', 'told');
create trigger record_added after insert on meterr.recovery_codes
  for each row execute function meterr.record_account('factor.added', 'recovery codes', 'told');
create trigger record_renewed after update on meterr.recovery_codes
  for each row when (old.made_at <> new.made_at and cardinality(new.digests) > 0)
  execute function meterr.record_account('factor.added', 'recovery codes', 'told');
create trigger record_removed after update on meterr.recovery_codes
  for each row when (old.made_at <> new.made_at and cardinality(new.digests) = 0)
  execute function meterr.record_account('factor.removed', 'recovery codes', 'told');
create trigger record_used after update on meterr.recovery_codes
  for each row when (old.made_at = new.made_at and new.digests <@ old.digests
                     and cardinality(new.digests) < cardinality(old.digests))
  execute function meterr.record_account('factor.recovery_used', '', 'told');
create trigger record_swapped after update on meterr.recovery_codes
  for each row when (old.made_at = new.made_at and old.digests <> new.digests
                     and not (new.digests <@ old.digests
                              and cardinality(new.digests) < cardinality(old.digests)))
  execute function meterr.record_account('factor.added', 'recovery codes', 'told');
create trigger record_sign_in after insert on meterr.user_session
  for each row execute function meterr.record_sign_in();
create trigger record_move after update on meterr.user_session
  for each row when (old.address <> new.address
                     or date_trunc('day', old.seen_at) <> date_trunc('day', new.seen_at))
  execute function meterr.record_move();
create trigger record_end after update on meterr.user_session
  for each row when (old.ended_at is null and new.ended_because in ('reused', 'ended'))
  execute function meterr.record_session_end();
create trigger record_made after insert on meterr.provider_credential
  for each row execute function meterr.record_credential('credential.changed');
create trigger record_change after update on meterr.provider_credential
  for each row when (new.secret is not null
                     and (old.created_at <> new.created_at or old.created_by <> new.created_by
                          or old.last4 <> new.last4 or old.secret is null
                          or old.secret <> new.secret
                             and old.secret_key_version >= new.secret_key_version))
  execute function meterr.record_credential('credential.changed');
create trigger record_removed after update on meterr.provider_credential
  for each row when (old.secret is not null and new.secret is null)
  execute function meterr.record_credential('credential.removed');
create trigger record_made after insert on meterr.signing_key
  for each row when (new.state = 'current') execute function meterr.record_keyring();
create trigger record_rotated after update on meterr.signing_key
  for each row when (old.state <> 'current' and new.state = 'current')
  execute function meterr.record_keyring();
create constraint trigger record_published after insert on meterr.signing_key
  deferrable initially deferred
  for each row when (new.state <> 'current') execute function meterr.record_keyring('untold');
create trigger record_added after insert on meterr.key_encryption_key
  for each row execute function meterr.record_keyring('added');
create trigger record_retired after update on meterr.key_encryption_key
  for each row when (old.retired_at is null and new.retired_at is not null)
  execute function meterr.record_keyring('retired');


-- Questions: what a tenant's own SQL may see ------------------------------------------------------

-- The login that a tenant's questions run as, and its password, sealed. Who logs in with it is that
-- tenant: nothing that SQL can set changes session_user.
create table meterr.query_role (
  tenant_id             uuid        not null unique references meterr.tenant,
  role_name             text        not null unique check (role_name ~ '^mq_[0-9a-f]{32}$'),
  password              bytea       not null constraint password_is_sealed
                                    check (octet_length(password) >= 33 and get_byte(password, 0) = 1),
  password_key_version  integer     generated always as (
    (get_byte(password, 1) << 24) | (get_byte(password, 2) << 16)
    | (get_byte(password, 3) << 8) | get_byte(password, 4)) stored,
  created_at            timestamptz not null default now(),
  primary key (tenant_id, role_name),
  foreign key (tenant_id, password_key_version) references meterr.data_key (tenant_id, live_version)
);

create index query_role_by_key on meterr.query_role (tenant_id, password_key_version);

-- Where no roles can be made, one login is for all tenants and a token says which one. Nobody reads
-- the keys that it is signed with; the functions below run as the owner.
create table meterr.query_token_key (
  key_id    integer primary key default 1 check (key_id = 1),
  outer_key bytea   not null check (octet_length(outer_key) = 64),
  inner_key bytea   not null check (octet_length(inner_key) = 64)
);

alter table meterr.query_role enable row level security;
alter table meterr.query_role force row level security;

create policy own_rows on meterr.query_role to meterr_app
  using (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid);
-- For the functions below.
create policy owner_keeps on meterr.query_role to meterr_owner using (true) with check (true);

-- NMAC: two hashes under two keys of a whole block each.
create function meterr.query_token_mac(outer_key bytea, inner_key bytea, message text) returns bytea
  language sql immutable
  set search_path = pg_catalog, pg_temp
  return sha256(outer_key || sha256(inner_key || convert_to(message, 'UTF8')));

-- A token for one tenant, one server process and at most ten minutes. Each of the 64 bytes comes from
-- the server's own random numbers, hashed because a uuid has fixed bits.
create function meterr.sign_query_token(of_tenant uuid, of_backend integer, seconds integer)
  returns text
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  message text;
  signed text;
begin
  if of_tenant is null or of_backend is null or seconds is null or seconds not between 1 and 600 then
    raise exception 'a token is for 1 to 600 seconds' using errcode = 'invalid_parameter_value';
  end if;
  insert into meterr.query_token_key (outer_key, inner_key)
  select string_agg(r.bytes, '') filter (where r.nr <= 2), string_agg(r.bytes, '') filter (where r.nr > 2)
    from (select nr, sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
                            || uuid_send(gen_random_uuid())) as bytes
            from generate_series(1, 4) nr) r
  on conflict (key_id) do nothing;
  message := of_tenant || '.' || of_backend || '.'
    || ceil(extract(epoch from clock_timestamp()) + seconds)::bigint;
  select message || '.' || encode(meterr.query_token_mac(k.outer_key, k.inner_key, message), 'hex')
    into strict signed from meterr.query_token_key k;
  return signed;
end
$$;

-- Whose session this is; null for nobody's, and null equals no tenant. A tenant's own login needs no
-- token and could not use one; another login needs one made for this very server process.
create function meterr.session_tenant() returns uuid
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  of_session uuid;
  token text[];
  mac bytea;
begin
  select r.tenant_id into of_session
    from meterr.query_role r join meterr.tenant t on t.tenant_id = r.tenant_id
   where r.role_name = session_user and t.state = 'active';
  if found or session_user ~ '^mq_' then
    return of_session;
  end if;

  token := regexp_match(current_setting('meterr.query_token', true),
    '^([0-9a-f-]{36})\.([0-9]{1,10})\.([0-9]{1,12})\.([0-9a-f]{64})$');
  if token is null then
    return null;
  end if;
  select meterr.query_token_mac(k.outer_key, k.inner_key,
                                token[1] || '.' || token[2] || '.' || token[3])
    into mac from meterr.query_token_key k;
  if mac is null or mac is distinct from decode(token[4], 'hex')
     or token[2]::bigint is distinct from pg_backend_pid()
     or token[3]::bigint <= extract(epoch from clock_timestamp()) then
    return null;
  end if;
  select t.tenant_id into of_session
    from meterr.tenant t where t.tenant_id = token[1]::uuid and t.state = 'active';
  return of_session;
end
$$;

-- Who is disabled asks nothing more: the row is gone with the change, and the login with it where
-- 'meterr query harden' has made the function that may.
create function meterr.forget_query_role() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  login text;
begin
  delete from meterr.query_role r where r.tenant_id = old.tenant_id returning r.role_name into login;
  if login is not null and to_regprocedure('meterr_walls.drop_login(text)') is not null then
    execute 'select meterr_walls.drop_login($1)' using login;
  end if;
  return coalesce(new, old);
end
$$;

create trigger stop_asking after update on meterr.tenant
  for each row when (new.state <> 'active' and old.state = 'active')
  execute function meterr.forget_query_role();
create trigger stop_asking_first before delete on meterr.tenant
  for each row execute function meterr.forget_query_role();

create policy tenant_reads on meterr.ledger_entry for select to meterr_reader
  using (tenant_id = (select meterr.session_tenant()));
create policy tenant_reads on meterr.usage_hour for select to meterr_reader
  using (tenant_id = (select meterr.session_tenant()));
create policy tenant_reads on meterr.usage_day for select to meterr_reader
  using (tenant_id = (select meterr.session_tenant()));
create policy tenant_reads on meterr.rollup_due for select to meterr_reader
  using (tenant_id = (select meterr.session_tenant()));
create policy tenant_reads on meterr.api_key for select to meterr_reader
  using (tenant_id = (select meterr.session_tenant()));
create policy tenant_reads on meterr.key_use for select to meterr_reader
  using (tenant_id = (select meterr.session_tenant()));
create policy tenant_reads on meterr.limit_rule for select to meterr_reader
  using (tenant_id = (select meterr.session_tenant()));
create policy tenant_reads on meterr.limit_pool for select to meterr_reader
  using (tenant_id = (select meterr.session_tenant()));

grant execute on function meterr.session_tenant() to meterr_reader;
grant execute on function meterr.sign_query_token(uuid, integer, integer) to meterr_app;
grant select, insert on meterr.query_role to meterr_app;
grant update (password) on meterr.query_role to meterr_app;

-- Databases of tenants' own that may be asked. The address is sealed: the administrator's until the
-- database is protected, from then on that of the login that was made in it. What was removed has none.
-- `words` is what its owner says of the tables: TOML, read by a model, values that it may know included.
create table meterr.query_source (
  tenant_id        uuid        not null references meterr.tenant,
  name             text        not null check (name ~ '^[a-z][a-z0-9_-]{0,62}$' and name <> 'usage'),
  url              bytea       constraint url_is_sealed
                               check (octet_length(url) >= 33 and get_byte(url, 0) = 1),
  url_key_version  integer     generated always as (
    (get_byte(url, 1) << 24) | (get_byte(url, 2) << 16)
    | (get_byte(url, 3) << 8) | get_byte(url, 4)) stored,
  place            text        not null,
  shape            jsonb       not null,
  words            text        not null default '' check (length(words) <= 200000),
  created_at       timestamptz not null default now(),
  created_by       text        not null,
  protected_at     timestamptz,
  checked_at       timestamptz,
  holes            integer     not null default 0 check (holes >= 0),
  primary key (tenant_id, name),
  foreign key (tenant_id, url_key_version) references meterr.data_key (tenant_id, live_version)
);

create index query_source_by_key on meterr.query_source (tenant_id, url_key_version);

alter table meterr.query_source enable row level security;
alter table meterr.query_source force row level security;

create policy own_rows on meterr.query_source to meterr_app
  using (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('meterr.tenant_id', true), '')::uuid);

grant select, insert on meterr.query_source to meterr_app;
grant update (url, place, shape, words, created_at, created_by, protected_at, checked_at, holes)
  on meterr.query_source to meterr_app;

create function meterr.record_source() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform meterr.record_change(new.tenant_id, tg_argv[0],
            case tg_argv[0] when 'source.failed' then 'critical' else 'info' end,
            'source', new.name,
            case tg_argv[0] when 'source.failed' then jsonb_build_object('holes', new.holes) else '{}' end);
  return null;
end
$$;

create trigger record_added after insert on meterr.query_source
  for each row execute function meterr.record_source('source.added');
create trigger record_added_again after update on meterr.query_source
  for each row when (old.url is null and new.url is not null)
  execute function meterr.record_source('source.added');
create trigger record_protected after update on meterr.query_source
  for each row when (new.protected_at is not null and new.protected_at is distinct from old.protected_at)
  execute function meterr.record_source('source.protected');
create trigger record_failed after update on meterr.query_source
  for each row when (new.holes > 0 and (new.checked_at is distinct from old.checked_at
                                        or new.holes <> old.holes))
  execute function meterr.record_source('source.failed');
-- An address under a newer key is the same one, sealed again.
create trigger record_changed after update on meterr.query_source
  for each row when (old.url is not null and new.url is not null
                     and (new.protected_at is null
                          or new.protected_at is not distinct from old.protected_at)
                     and (old.place <> new.place or old.shape <> new.shape or old.words <> new.words
                          or old.created_at <> new.created_at or old.created_by <> new.created_by
                          or old.holes > 0 and new.holes = 0
                          or old.url <> new.url and old.url_key_version >= new.url_key_version))
  execute function meterr.record_source('source.changed');
create trigger record_removed after update on meterr.query_source
  for each row when (old.url is not null and new.url is null)
  execute function meterr.record_source('source.removed');

-- Only the columns that the views below show; the reader cannot name the tables themselves, since it
-- may not use their schema.
grant select (tenant_id, id, at, key_id, surface, upstream, provider, model, answered_model, state,
              stream, status, outcome, error, estimate, usage_known, input, cache_read,
              cache_write_5m, cache_write_30m, cache_write_1h, cache_write_12h, input_audio,
              input_image, output, output_audio, output_image, reasoning, web_search, web_fetch,
              cost_usd, first_byte_ms, duration_ms, provider_request_id)
  on meterr.ledger_entry to meterr_reader;
grant select (tenant_id, hour, key_id, model, answered_model, provider, upstream, surface, state,
              outcome, calls, refused, interrupted, failed, unpriced, estimated, partial, cost_usd,
              input, cache_read, cache_write_5m, cache_write_30m, cache_write_1h, cache_write_12h,
              input_audio, input_image, output, output_audio, output_image, reasoning, web_search,
              web_fetch)
  on meterr.usage_hour to meterr_reader;
grant select (tenant_id, day, key_id, model, answered_model, provider, upstream, surface, state,
              outcome, calls, refused, interrupted, failed, unpriced, estimated, partial, cost_usd,
              input, cache_read, cache_write_5m, cache_write_30m, cache_write_1h, cache_write_12h,
              input_audio, input_image, output, output_audio, output_image, reasoning, web_search,
              web_fetch)
  on meterr.usage_day to meterr_reader;
grant select (tenant_id, hour) on meterr.rollup_due to meterr_reader;
grant select (tenant_id, key_id, name, environment, last4, owner, scopes, models, state, created_at,
              expires_at, revoked_at, grace_until, due_at) on meterr.api_key to meterr_reader;
grant select (tenant_id, key_id, last_used_at) on meterr.key_use to meterr_reader;
grant select (tenant_id, limit_id, measure, scope, subject, model, span, amount, hard, created_at,
              ended_at) on meterr.limit_rule to meterr_reader;
grant select (tenant_id, limit_id, starts_at, spent) on meterr.limit_pool to meterr_reader;

-- Statistics are of all tenants' rows. Whether a question is too costly would tell what values others
-- have, letter by letter; so the planner knows none of them. Tenant and time it needs.
do $unmeasured$
declare
  statement text;
begin
  for statement in
    select format('alter table %s %s', c.oid::regclass,
                  string_agg(format('alter column %I set statistics 0', a.attname), ', '))
      from pg_class c
      join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where c.relnamespace = 'meterr'::regnamespace and c.relkind in ('r', 'p')
       and has_column_privilege('meterr_reader', c.oid, a.attnum, 'select')
       and a.attname not in ('tenant_id', 'at', 'hour', 'day')
     group by c.oid
  loop
    execute statement;
  end loop;
end
$unmeasured$;

-- Named for people. The rights and the rows are those of whoever asks, never the owner's.
create schema usage;
grant usage on schema usage to meterr_reader;

create view usage.calls with (security_barrier, security_invoker) as
  select e.id as call_id, e.at, e.key_id, e.provider, e.upstream, e.model, e.answered_model,
         e.surface, e.state, e.stream as is_stream, e.status, e.outcome, e.error,
         e.input + e.cache_read + e.cache_write_5m + e.cache_write_30m + e.cache_write_1h
           + e.cache_write_12h + e.input_audio + e.input_image as input_tokens,
         e.cache_read as cached_tokens,
         e.cache_write_5m + e.cache_write_30m + e.cache_write_1h + e.cache_write_12h
           as cache_write_tokens,
         e.output + e.output_audio + e.output_image as output_tokens,
         e.reasoning as reasoning_tokens, e.web_search as web_searches, e.web_fetch as web_fetches,
         e.cost_usd,
         e.cost_usd is null and e.state <> 'refused'
           and case when e.usage_known then greatest(
                 e.input, e.cache_read, e.cache_write_5m, e.cache_write_30m, e.cache_write_1h,
                 e.cache_write_12h, e.input_audio, e.input_image, e.output, e.output_audio,
                 e.output_image, e.web_search, e.web_fetch) > 0
               else e.status < 400 end as is_unpriced,
         e.estimate <> '' as is_estimated,
         e.first_byte_ms, e.duration_ms, e.provider_request_id
    from meterr.ledger_entry e;

create view usage.costs_hourly with (security_barrier, security_invoker) as
  select h.hour, h.key_id, h.provider, h.upstream, h.model, h.answered_model, h.surface, h.state,
         h.outcome, h.calls, h.refused, h.interrupted, h.failed, h.unpriced, h.estimated,
         h.input + h.cache_read + h.cache_write_5m + h.cache_write_30m + h.cache_write_1h
           + h.cache_write_12h + h.input_audio + h.input_image as input_tokens,
         h.cache_read as cached_tokens,
         h.cache_write_5m + h.cache_write_30m + h.cache_write_1h + h.cache_write_12h
           as cache_write_tokens,
         h.output + h.output_audio + h.output_image as output_tokens,
         h.reasoning as reasoning_tokens, h.web_search as web_searches, h.web_fetch as web_fetches,
         h.cost_usd
    from meterr.usage_hour h
   where not exists (select from meterr.rollup_due d where d.hour = h.hour)
  union all
  select d.hour, c.key_id, c.provider, c.upstream, c.model, c.answered_model, c.surface, c.state,
         c.outcome, count(*), count(*) filter (where c.state = 'refused'),
         count(*) filter (where c.state = 'interrupted'),
         count(*) filter (where c.state <> 'refused' and c.status >= 400),
         count(*) filter (where c.is_unpriced), count(*) filter (where c.is_estimated),
         sum(c.input_tokens), sum(c.cached_tokens), sum(c.cache_write_tokens),
         sum(c.output_tokens), sum(c.reasoning_tokens), sum(c.web_searches), sum(c.web_fetches),
         sum(c.cost_usd)
    from (select distinct hour from meterr.rollup_due) d
    join usage.calls c on c.at >= d.hour and c.at < d.hour + interval '1 hour'
   group by 1, 2, 3, 4, 5, 6, 7, 8, 9;

create view usage.costs_daily with (security_barrier, security_invoker) as
  select (y.day at time zone 'UTC')::date as day, y.key_id, y.provider, y.upstream, y.model,
         y.answered_model, y.surface, y.state, y.outcome, y.calls, y.refused, y.interrupted,
         y.failed, y.unpriced, y.estimated,
         y.input + y.cache_read + y.cache_write_5m + y.cache_write_30m + y.cache_write_1h
           + y.cache_write_12h + y.input_audio + y.input_image as input_tokens,
         y.cache_read as cached_tokens,
         y.cache_write_5m + y.cache_write_30m + y.cache_write_1h + y.cache_write_12h
           as cache_write_tokens,
         y.output + y.output_audio + y.output_image as output_tokens,
         y.reasoning as reasoning_tokens, y.web_search as web_searches, y.web_fetch as web_fetches,
         y.cost_usd
    from meterr.usage_day y
   where not exists (select from meterr.rollup_due d
                      where d.hour >= y.day and d.hour < y.day + interval '24 hours')
  union all
  select (h.hour at time zone 'UTC')::date, h.key_id, h.provider, h.upstream, h.model,
         h.answered_model, h.surface, h.state, h.outcome, sum(h.calls)::bigint,
         sum(h.refused)::bigint, sum(h.interrupted)::bigint, sum(h.failed)::bigint,
         sum(h.unpriced)::bigint, sum(h.estimated)::bigint, sum(h.input_tokens),
         sum(h.cached_tokens), sum(h.cache_write_tokens), sum(h.output_tokens),
         sum(h.reasoning_tokens), sum(h.web_searches), sum(h.web_fetches), sum(h.cost_usd)
    from (select distinct date_bin('1 day', hour, 'epoch') as day from meterr.rollup_due) d
    join usage.costs_hourly h on h.hour >= d.day and h.hour < d.day + interval '24 hours'
   group by 1, 2, 3, 4, 5, 6, 7, 8, 9;

create view usage.keys with (security_barrier, security_invoker) as
  select k.key_id, k.name, k.environment, k.last4, k.owner, k.scopes, k.models, k.state,
         k.created_at, k.expires_at, k.grace_until, k.due_at, k.revoked_at, u.last_used_at
    from meterr.api_key k
    left join meterr.key_use u on u.key_id = k.key_id;

create view usage.limits with (security_barrier, security_invoker) as
  select r.limit_id, r.measure, r.scope, r.subject, r.model, r.span, r.amount, r.hard as is_hard,
         r.created_at, r.ended_at
    from meterr.limit_rule r;

create view usage.budget_windows with (security_barrier, security_invoker) as
  select r.limit_id, r.scope, r.subject, r.model, r.span, p.starts_at, p.spent as spent_usd,
         r.amount as limit_usd, r.hard as is_hard, r.ended_at
    from meterr.limit_rule r
    join meterr.limit_pool p on p.limit_id = r.limit_id
   where r.measure = 'usd';

grant select on usage.calls, usage.costs_hourly, usage.costs_daily, usage.keys, usage.limits,
  usage.budget_windows to meterr_reader;

comment on view usage.calls is
  'Every call, one row each: who called which model when, tokens, cost, duration. Raw entries only as long as they are kept; for sums over time costs_daily and costs_hourly are quicker and keep for ever.';
comment on column usage.calls.call_id is 'Id of the call.';
comment on column usage.calls.at is 'When the call came in.';
comment on column usage.calls.key_id is 'Key that called; usage.keys has its name.';
comment on column usage.calls.provider is 'Provider that was asked, e.g. openai.';
comment on column usage.calls.upstream is 'Name of the endpoint that the call went to.';
comment on column usage.calls.model is 'Model as the caller named it.';
comment on column usage.calls.answered_model is
  'Model as the provider named it in its answer; '''' when it did not say.';
comment on column usage.calls.surface is
  'API that was called, e.g. openai.chat or anthropic.messages.';
comment on column usage.calls.state is
  'settled (ended under our eyes), interrupted (cut off, cost estimated) or refused (never left).';
comment on column usage.calls.outcome is
  'How the call ended in one word; '''' when nothing is known.';
comment on column usage.calls.is_stream is 'Whether the answer was a stream.';
comment on column usage.calls.status is 'HTTP status of the answer; 0 when there was none.';
comment on column usage.calls.error is 'What went wrong, in one word; '''' when nothing did.';
comment on column usage.calls.input_tokens is 'Tokens that went in, cached ones included.';
comment on column usage.calls.cached_tokens is
  'Part of input_tokens that the provider read from its cache.';
comment on column usage.calls.cache_write_tokens is
  'Part of input_tokens that the provider wrote into its cache.';
comment on column usage.calls.output_tokens is 'Tokens that came out, reasoning included.';
comment on column usage.calls.reasoning_tokens is
  'Part of output_tokens spent on reasoning.';
comment on column usage.calls.web_searches is
  'Web searches that the provider ran, a count.';
comment on column usage.calls.web_fetches is
  'Web pages that the provider fetched, a count.';
comment on column usage.calls.cost_usd is
  'Exact cost in US dollars; null when nothing is to be paid or the price is unknown.';
comment on column usage.calls.is_unpriced is
  'True when the call may be billed and its price is unknown.';
comment on column usage.calls.is_estimated is
  'True when the tokens were estimated because the provider did not say.';
comment on column usage.calls.first_byte_ms is
  'Milliseconds until the first byte of the answer; 0 when there was none.';
comment on column usage.calls.duration_ms is
  'Milliseconds from the beginning to the end of the call.';
comment on column usage.calls.provider_request_id is
  'The provider''s own id of the call, for its support; '''' when unknown.';

comment on view usage.costs_hourly is
  'Calls, tokens and cost by hour (UTC), key and model; the hour that is still open included. Sums of it equal sums of all calls, also of those that are no longer kept.';
comment on column usage.costs_hourly.hour is 'Beginning of the hour, UTC.';
comment on column usage.costs_hourly.key_id is 'Key that called; usage.keys has its name.';
comment on column usage.costs_hourly.provider is 'Provider that was asked, e.g. openai.';
comment on column usage.costs_hourly.upstream is
  'Name of the endpoint that the call went to.';
comment on column usage.costs_hourly.model is 'Model as the caller named it.';
comment on column usage.costs_hourly.answered_model is
  'Model as the provider named it in its answer; '''' when it did not say.';
comment on column usage.costs_hourly.surface is
  'API that was called, e.g. openai.chat or anthropic.messages.';
comment on column usage.costs_hourly.state is
  'settled (ended under our eyes), interrupted (cut off, cost estimated) or refused (never left).';
comment on column usage.costs_hourly.outcome is
  'How the call ended in one word; '''' when nothing is known.';
comment on column usage.costs_hourly.calls is 'Number of calls.';
comment on column usage.costs_hourly.refused is
  'Calls that never left for a provider; they cost nothing.';
comment on column usage.costs_hourly.interrupted is
  'Calls that were cut off; their cost is estimated.';
comment on column usage.costs_hourly.failed is
  'Calls that the provider or the network answered with a status of 400 or more.';
comment on column usage.costs_hourly.unpriced is
  'Calls that may be billed and whose price is unknown; cost_usd leaves them out.';
comment on column usage.costs_hourly.estimated is
  'Calls whose tokens were estimated because the provider did not say.';
comment on column usage.costs_hourly.input_tokens is
  'Tokens that went in, cached ones included.';
comment on column usage.costs_hourly.cached_tokens is
  'Part of input_tokens that the provider read from its cache.';
comment on column usage.costs_hourly.cache_write_tokens is
  'Part of input_tokens that the provider wrote into its cache.';
comment on column usage.costs_hourly.output_tokens is
  'Tokens that came out, reasoning included.';
comment on column usage.costs_hourly.reasoning_tokens is
  'Part of output_tokens spent on reasoning.';
comment on column usage.costs_hourly.web_searches is
  'Web searches that the provider ran, a count.';
comment on column usage.costs_hourly.web_fetches is
  'Web pages that the provider fetched, a count.';
comment on column usage.costs_hourly.cost_usd is
  'Exact cost in US dollars; null when no call of the row has a price.';

comment on view usage.costs_daily is
  'Calls, tokens and cost by day (UTC), key and model; today included. Sums of it equal sums of all calls, also of those that are no longer kept.';
comment on column usage.costs_daily.day is 'The day, UTC.';
comment on column usage.costs_daily.key_id is 'Key that called; usage.keys has its name.';
comment on column usage.costs_daily.provider is 'Provider that was asked, e.g. openai.';
comment on column usage.costs_daily.upstream is
  'Name of the endpoint that the call went to.';
comment on column usage.costs_daily.model is 'Model as the caller named it.';
comment on column usage.costs_daily.answered_model is
  'Model as the provider named it in its answer; '''' when it did not say.';
comment on column usage.costs_daily.surface is
  'API that was called, e.g. openai.chat or anthropic.messages.';
comment on column usage.costs_daily.state is
  'settled (ended under our eyes), interrupted (cut off, cost estimated) or refused (never left).';
comment on column usage.costs_daily.outcome is
  'How the call ended in one word; '''' when nothing is known.';
comment on column usage.costs_daily.calls is 'Number of calls.';
comment on column usage.costs_daily.refused is
  'Calls that never left for a provider; they cost nothing.';
comment on column usage.costs_daily.interrupted is
  'Calls that were cut off; their cost is estimated.';
comment on column usage.costs_daily.failed is
  'Calls that the provider or the network answered with a status of 400 or more.';
comment on column usage.costs_daily.unpriced is
  'Calls that may be billed and whose price is unknown; cost_usd leaves them out.';
comment on column usage.costs_daily.estimated is
  'Calls whose tokens were estimated because the provider did not say.';
comment on column usage.costs_daily.input_tokens is
  'Tokens that went in, cached ones included.';
comment on column usage.costs_daily.cached_tokens is
  'Part of input_tokens that the provider read from its cache.';
comment on column usage.costs_daily.cache_write_tokens is
  'Part of input_tokens that the provider wrote into its cache.';
comment on column usage.costs_daily.output_tokens is
  'Tokens that came out, reasoning included.';
comment on column usage.costs_daily.reasoning_tokens is
  'Part of output_tokens spent on reasoning.';
comment on column usage.costs_daily.web_searches is
  'Web searches that the provider ran, a count.';
comment on column usage.costs_daily.web_fetches is
  'Web pages that the provider fetched, a count.';
comment on column usage.costs_daily.cost_usd is
  'Exact cost in US dollars; null when no call of the row has a price.';

comment on view usage.keys is
  'API keys, one row each. Never the key itself.';
comment on column usage.keys.key_id is 'Id of the key, as in calls and costs.';
comment on column usage.keys.name is 'Name that people gave the key.';
comment on column usage.keys.environment is 'live or test.';
comment on column usage.keys.last4 is 'Last four characters of the key.';
comment on column usage.keys.owner is
  'Who answers for the key; '''' for nobody in particular.';
comment on column usage.keys.scopes is 'What the key may call.';
comment on column usage.keys.models is
  'Patterns of the models it may call; null: every model.';
comment on column usage.keys.state is 'active or revoked.';
comment on column usage.keys.created_at is 'When it was made.';
comment on column usage.keys.expires_at is 'When it ends; null: never.';
comment on column usage.keys.grace_until is
  'Until when a replaced key still counts; null: it was not replaced.';
comment on column usage.keys.due_at is 'When the policy wants it replaced; null: no date.';
comment on column usage.keys.revoked_at is 'When it was revoked; null: it was not.';
comment on column usage.keys.last_used_at is
  'When it was last used, to the minute or so; null: never.';

comment on view usage.limits is
  'Budgets and limits, one row each, ended ones included.';
comment on column usage.limits.limit_id is 'Id of the limit.';
comment on column usage.limits.measure is
  'What is limited: usd, requests, tokens or concurrency.';
comment on column usage.limits.scope is 'Whom it holds: the tenant, an owner or a key.';
comment on column usage.limits.subject is
  'Name of the owner or id of the key; '''' for the tenant.';
comment on column usage.limits.model is
  'Pattern of the models that it counts; '''' for every model.';
comment on column usage.limits.span is
  'Time it counts over: minute, day, week, month, total, or call (at the same time).';
comment on column usage.limits.amount is
  'The limit: US dollars, requests, tokens or calls at the same time, by measure.';
comment on column usage.limits.is_hard is
  'True: calls above it are refused. False: it only warns.';
comment on column usage.limits.created_at is 'When it was made.';
comment on column usage.limits.ended_at is 'When it was ended; null: it is in force.';

comment on view usage.budget_windows is
  'What each budget''s days, weeks or months have spent, one row for each that has begun.';
comment on column usage.budget_windows.limit_id is 'Id of the budget, as in limits.';
comment on column usage.budget_windows.scope is
  'Whom it holds: the tenant, an owner or a key.';
comment on column usage.budget_windows.subject is
  'Name of the owner or id of the key; '''' for the tenant.';
comment on column usage.budget_windows.model is
  'Pattern of the models that it counts; '''' for every model.';
comment on column usage.budget_windows.span is 'day, week, month or total.';
comment on column usage.budget_windows.starts_at is 'When the window began.';
comment on column usage.budget_windows.spent_usd is 'US dollars spent in the window.';
comment on column usage.budget_windows.limit_usd is
  'US dollars that it may spend, as the budget says now.';
comment on column usage.budget_windows.is_hard is
  'True: calls above it are refused. False: it only warns.';
comment on column usage.budget_windows.ended_at is
  'When the budget was ended; null: it is in force.';
