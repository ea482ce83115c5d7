-- What operators see and steer, and the replication of whole tables anew. __schema__ and __lock__ are replaced before the
-- file runs.

-- What the process that delivers says of itself every few seconds. Nothing depends on it.
create table __schema__.outbox_report (
  name text primary key check (name = 'pump'),
  process text not null,
  is_notified boolean not null,
  -- [{"scope", "category", "destination", "perSecond"}]: what it delivered lately.
  rates jsonb not null,
  -- Destinations that cannot be reached.
  away text[] not null,
  reported_at timestamptz not null
) with (fillfactor = 50);

-- Streams that an operator wants tried at once. Emptied by the process that delivers.
create table __schema__.outbox_retry (
  destination text not null,
  scope smallint not null,
  shard_id bigint not null,
  lane smallint not null,
  primary key (destination, scope, shard_id, lane)
);

-- How far each replicated table has been replicated anew. `version` is the newest that some code asked for; code that asks
-- for less leaves the row alone.
create table __schema__.outbox_backfill (
  category smallint primary key,
  version integer not null,
  is_done boolean not null default true,
  -- The last row that was told of, in the order of its object and shard.
  after_object_id bigint not null default -9223372036854775808,
  after_shard_id bigint not null default -9223372036854775808,
  -- The last object that there was at the beginning: what is written later is told of by itself.
  last_object_id bigint not null default -9223372036854775808,
  done_count bigint not null default 0,
  total_count bigint not null default 0,
  -- Too much of it is not delivered yet.
  is_waiting boolean not null default false,
  -- Null for what the code says.
  rows_per_second integer check (rows_per_second > 0),
  started_at timestamptz,
  updated_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz
) with (fillfactor = 50);

create index outbox_held_by_category on __schema__.outbox_held (category);

-- What is in the tables, grouped: of each at most the first `p_max` rows, which `is_cut` tells. The settings keep the
-- planner from sorting whole tables, statistics or none.
create function __schema__.outbox_depths(p_max int) returns table (
  scope smallint, category smallint, destination text, state text, depth int, oldest_at timestamptz, is_cut boolean
)
  language sql stable set enable_sort = off set enable_seqscan = off set enable_bitmapscan = off as $function$
  with hot as materialized (
    select o.scope, o.category, o.destination, o.created_at from __schema__.outbox o order by o.id limit p_max
  ), held as materialized (
    select h.scope, h.category, h.destination, h.shard_id, h.lane, h.created_at
    from __schema__.outbox_held h order by h.id limit p_max
  ), parked as materialized (
    select p.scope, p.category, p.destination, p.created_at from __schema__.outbox_parked p limit p_max
  )
  select scope, category, destination, 'FLOWING', count(*)::int, min(created_at), (select count(*) from hot) >= p_max
  from hot group by 1, 2, 3
  union all
  select h.scope, h.category, h.destination, coalesce(s.state, 'SLOW'), count(*)::int, min(h.created_at),
    (select count(*) from held) >= p_max
  from held h left join __schema__.outbox_stream s using (destination, scope, shard_id, lane) group by 1, 2, 3, 4
  union all
  select scope, category, destination, 'PARKED', count(*)::int, min(created_at), (select count(*) from parked) >= p_max
  from parked group by 1, 2, 3
$function$;

-- Puts parked messages of one shard back as new rows, in the order in which they were parked. One of an object of which a
-- newer state waits stays: that state replaces it, and must not be followed by an older one. The lock keeps newer states
-- from coming meanwhile; a state that is being parked still stands in outbox_held for this statement, or is what is parked.
create function __schema__.outbox_retry_parked(
  p_scope int, p_shard_id bigint, p_destination text, p_category int, p_max int, out retried int, out superseded int
)
  language plpgsql volatile as $function$
declare
  p __schema__.outbox_parked;
begin
  perform pg_advisory_xact_lock(__lock__, hashint8(p_shard_id) # p_scope);
  retried := 0;
  for p in
    select * from __schema__.outbox_parked q
    where q.scope = p_scope and q.shard_id = p_shard_id
      and (p_destination is null or q.destination = p_destination) and (p_category is null or q.category = p_category)
      and not exists (
        select from __schema__.outbox o
        where (o.shard_id, o.category, o.object_id, o.scope, o.destination) = (q.shard_id, q.category, q.object_id, q.scope, q.destination)
      ) and not exists (
        select from __schema__.outbox_held h
        where (h.shard_id, h.category, h.object_id, h.scope, h.destination) = (q.shard_id, q.category, q.object_id, q.scope, q.destination)
      )
    order by q.parked_at, q.created_at limit p_max for update
  loop
    delete from __schema__.outbox_parked d
    where (d.destination, d.scope, d.shard_id, d.category, d.object_id) = (p.destination, p.scope, p.shard_id, p.category, p.object_id);
    perform __schema__.outbox_write(array[p.destination], p.scope, p.shard_id, p.category, p.object_id, p.content, p.traceparent);
    retried := retried + 1;
  end loop;
  superseded := 0;
  if retried < p_max then
    select count(*) into superseded from __schema__.outbox_parked q
    where q.scope = p_scope and q.shard_id = p_shard_id
      and (p_destination is null or q.destination = p_destination) and (p_category is null or q.category = p_category);
  end if;
end
$function$;

-- Notes a replicated table that is new to this database: one that is empty has nothing to be told of anew.
create function __schema__.outbox_backfill_adopt(p_table text, p_category int, p_version int) returns void
  language plpgsql volatile as $function$
declare
  has_rows boolean;
begin
  if exists (select from __schema__.outbox_backfill where category = p_category) then
    return;
  end if;
  execute format('select exists (select from __schema__.%I)', p_table) into has_rows;
  insert into __schema__.outbox_backfill (category, version)
  values (p_category, case when has_rows then 1 else p_version end) on conflict (category) do nothing;
end
$function$;

-- A table that has rows when it begins to be tracked is told of from its first row, in batches: what no migration could do
-- in its one transaction. Its version is then one that no code has.
create function __schema__.outbox_tracking_begins() returns trigger
  language plpgsql as $function$
declare
  has_rows boolean;
begin
  execute format('select exists (select from __schema__.%I)', new.table_name) into has_rows;
  if has_rows then
    insert into __schema__.outbox_backfill (category, version) values (new.category, 0) on conflict (category) do nothing;
  end if;
  return null;
end
$function$;
create trigger outbox_tracking_begins after insert on __schema__.outbox_tracked
  for each row execute function __schema__.outbox_tracking_begins();

-- Begins to tell of every row of a table anew: when the version is greater than any before, or when an operator wants it.
-- False when there is no need, or when it is under way.
create function __schema__.outbox_backfill_begin(p_table text, p_category int, p_version int, p_is_wanted boolean) returns boolean
  language plpgsql volatile as $function$
declare
  b __schema__.outbox_backfill;
  object_column text;
  last bigint;
  total bigint;
begin
  select * into b from __schema__.outbox_backfill where category = p_category for update;
  if not found or (b.version >= p_version and not (p_is_wanted and b.is_done)) then
    return false;
  end if;
  select t.object_column into object_column from __schema__.outbox_tracked t where (t.table_name, t.category) = (p_table, p_category);
  if not found then
    return false;
  end if;
  execute format('select max(%I) from __schema__.%I', object_column, p_table) into last;
  select reltuples into total from pg_class where oid = format('__schema__.%I', p_table)::regclass;
  -- The estimate of a small table, or of one that was never analyzed, is worth nothing.
  if total < 100000 then
    execute format('select count(*) from (select from __schema__.%I limit 100000) r', p_table) into total;
  end if;
  update __schema__.outbox_backfill set version = greatest(version, p_version), is_done = last is null,
    after_object_id = default, after_shard_id = default, last_object_id = coalesce(last, last_object_id), done_count = 0,
    total_count = total, is_waiting = false, started_at = clock_timestamp(), updated_at = clock_timestamp(),
    finished_at = case when last is null then clock_timestamp() end
  where category = p_category;
  return true;
end
$function$;

-- Tells of the next rows of a table: about `p_max` messages, fewer while much is not delivered. Holds the places of several
-- shards but waits for one only while it holds none, so that nobody gets into a deadlock with it.
create function __schema__.outbox_backfill_step(
  p_table text, p_category int, p_version int, p_max int, p_depth_max int, out messages int, out state text
)
  language plpgsql volatile as $function$
declare
  b __schema__.outbox_backfill;
  t __schema__.outbox_tracked;
  r record;
  hot int;
  depth int;
  fetched int := 0;
  objects int := 0;
  is_cut boolean := false;
begin
  messages := 0;
  state := 'NONE';
  select * into b from __schema__.outbox_backfill
  where category = p_category and not is_done and version <= p_version for update skip locked;
  if not found then
    return;
  end if;
  select * into t from __schema__.outbox_tracked where (table_name, category) = (p_table, p_category);
  if not found then
    return;
  end if;
  select count(*), count(*) filter (where category = p_category) into hot, depth
  from (select category from __schema__.outbox limit 100000) o;
  select depth + count(*) into depth from (select from __schema__.outbox_held where category = p_category limit p_depth_max) h;
  if hot >= 100000 or depth >= p_depth_max then
    state := 'WAITING';
    update __schema__.outbox_backfill set is_waiting = true, updated_at = clock_timestamp() where category = p_category;
    return;
  end if;
  for r in execute format(
    'select r.%2$I::bigint as object_id, r.%3$I::bigint as shard_id, (%4$s)::text[] as destinations from __schema__.%1$I r
      where (r.%2$I, r.%3$I) > ($1, $2) and r.%2$I <= $3 order by r.%2$I, r.%3$I limit $4',
    p_table, t.object_column, t.shard_column, t.destinations
  ) using b.after_object_id, b.after_shard_id, b.last_object_id, p_max
  loop
    fetched := fetched + 1;
    if not pg_try_advisory_xact_lock(__lock__, hashint8(r.shard_id) # t.scope) then
      is_cut := true;
      exit when objects > 0;
    end if;
    perform __schema__.outbox_write(r.destinations, t.scope, r.shard_id, p_category, r.object_id);
    objects := objects + 1;
    messages := messages + coalesce(array_length(r.destinations, 1), 0);
    b.after_object_id := r.object_id;
    b.after_shard_id := r.shard_id;
    is_cut := is_cut or messages >= p_max or depth + messages >= p_depth_max;
    exit when is_cut;
  end loop;
  -- Rows without a destination are paced like others.
  messages := greatest(messages, objects);
  b.is_done := not is_cut and fetched < p_max;
  state := case when b.is_done then 'DONE' else 'RUNNING' end;
  update __schema__.outbox_backfill set after_object_id = b.after_object_id, after_shard_id = b.after_shard_id,
    done_count = done_count + objects, is_done = b.is_done, is_waiting = false, updated_at = clock_timestamp(),
    finished_at = case when b.is_done then clock_timestamp() end
  where category = p_category;
end
$function$;
