-- Ids of the other side that are gone for good, and the work of letting go of what refers to them here.
-- __schema__ and __lock__ are replaced before the file runs.

-- Never deleted: a row that is written years later with a dead id is found by it.
create table __schema__.tombstone (
  -- The table of the other side: control.user.
  target text not null,
  object_id bigint not null,
  -- Of the message that told it; 0 where none did.
  version bigint not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (target, object_id)
);

-- What the functions below have set up: what code declares is compared with this when a silo starts.
create table __schema__.tombstone_wiring (
  -- TELLS: deletions of the table are told to the other side · MIRRORS: a deletion of the table's row means that the
  -- target's row is gone · REFERS: the column holds ids of the target
  kind text not null check (kind in ('TELLS', 'MIRRORS', 'REFERS')),
  table_name text not null,
  column_name text not null,
  target text not null,
  -- Of TELLS.
  category smallint,
  primary key (kind, table_name, column_name, target)
);

-- Rows of one column that refer to one dead id: from the moment that there may be some until it is certain that there are
-- none. How far it has come needs no note: what is left is what still refers to the id.
create table __schema__.tombstone_cascade (
  id bigint generated always as identity primary key,
  table_name text not null,
  column_name text not null,
  target text not null,
  object_id bigint not null,
  -- Once every transaction up to this one has ended, whoever has written the id without seeing the tombstone has
  -- committed. Null until somebody has looked at this row.
  settled_after xid8,
  row_count bigint not null default 0,
  attempts integer not null default 0,
  error text not null default '',
  next_at timestamptz not null default clock_timestamp(),
  created_at timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
create index tombstone_cascade_by_time on __schema__.tombstone_cascade (next_at, id);
create index tombstone_cascade_unseen on __schema__.tombstone_cascade (id) where settled_after is null;

-- Notes that an id is gone. A second time it changes nothing.
create function __schema__.tombstone_record(p_target text, p_object_id bigint, p_version bigint) returns void
  language plpgsql volatile as $function$
begin
  insert into __schema__.tombstone (target, object_id, version) values (p_target, p_object_id, p_version)
    on conflict do nothing;
  if found then
    insert into __schema__.tombstone_cascade (table_name, column_name, target, object_id)
    select w.table_name, w.column_name, w.target, p_object_id from __schema__.tombstone_wiring w
      where w.kind = 'REFERS' and w.target = p_target;
  end if;
end
$function$;

-- Tells the other side of every deletion of a table's row, in the transaction of the deletion, whoever makes it and
-- however. p_destinations is SQL that gives the destinations (text[]).
create function __schema__.tombstone_tell(p_table text, p_category int, p_scope int, p_destinations text) returns void
  language plpgsql as $function$
declare
  name text := format('tombstone_tell_%s', p_table);
begin
  insert into __schema__.tombstone_wiring (kind, table_name, column_name, target, category)
    values ('TELLS', p_table, 'id', format('%s.%s', '__schema__', p_table), p_category);
  execute format($trigger$
    create function __schema__.%1$I() returns trigger language plpgsql as $body$
    begin
      perform __schema__.outbox_write(%2$s, %3$s, old.id, %4$s, old.id);
      return null;
    end
    $body$
  $trigger$, name, p_destinations, p_scope, p_category);
  execute format(
    'create trigger %1$I after delete on __schema__.%2$I for each row execute function __schema__.%1$I()', name, p_table);
end
$function$;

-- Takes the deletion of a row of this side for the end of what it stands for on the other side.
create function __schema__.tombstone_mirror(p_table text, p_column text, p_target text) returns void
  language plpgsql as $function$
declare
  name text := format('tombstone_mirror_%s', p_table);
begin
  insert into __schema__.tombstone_wiring (kind, table_name, column_name, target)
    values ('MIRRORS', p_table, p_column, p_target);
  execute format($trigger$
    create function __schema__.%1$I() returns trigger language plpgsql as $body$
    begin
      perform __schema__.tombstone_record(%2$L, old.%3$I, 0);
      return null;
    end
    $body$
  $trigger$, name, p_target, p_column);
  execute format(
    'create trigger %1$I after delete on __schema__.%2$I for each row execute function __schema__.%1$I()', name, p_table);
end
$function$;

-- Lets rows go, or lose the id, when what a column refers to is gone: those that are there, and those that are written
-- with a dead id later. Ids that are dead already count too.
create function __schema__.tombstone_reference(p_table text, p_column text, p_target text) returns void
  language plpgsql as $function$
declare
  name text := format('tombstone_check_%s_%s', p_table, p_column);
begin
  if not exists (
    select from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
    where i.indrelid = format('%I.%I', '__schema__', p_table)::regclass and i.indisvalid and a.attname = p_column
  ) then
    raise exception '__schema__.%: no index begins with %', p_table, p_column using errcode = 'invalid_table_definition';
  end if;
  execute format($trigger$
    create function __schema__.%1$I() returns trigger language plpgsql as $body$
    begin
      insert into __schema__.tombstone_cascade (table_name, column_name, target, object_id)
      select distinct %2$L, %3$L, t.target, t.object_id
        from written w join __schema__.tombstone t on t.target = %4$L and t.object_id = w.%3$I;
      return null;
    end
    $body$
  $trigger$, name, p_table, p_column, p_target);
  execute format('create trigger %1$I after insert on __schema__.%3$I referencing new table as written for each statement
    execute function __schema__.%2$I()', name || '_i', name, p_table);
  execute format('create trigger %1$I after update on __schema__.%3$I referencing new table as written for each statement
    execute function __schema__.%2$I()', name || '_u', name, p_table);
  -- Whoever records a tombstone now waits, and then sees the reference.
  lock table __schema__.tombstone in share row exclusive mode;
  insert into __schema__.tombstone_wiring (kind, table_name, column_name, target)
    values ('REFERS', p_table, p_column, p_target);
  insert into __schema__.tombstone_cascade (table_name, column_name, target, object_id)
    select p_table, p_column, t.target, t.object_id from __schema__.tombstone t where t.target = p_target;
end
$function$;
