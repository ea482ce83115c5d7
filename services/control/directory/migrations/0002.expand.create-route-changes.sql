-- Every change of a route, deletes too, for those who follow it. Written by triggers, so that no writer can forget it.
--
-- An epoch is the id of the change. Of two statements about one organization, slug or cell, the one that was committed
-- later has the greater epoch, whoever made it: an id is taken only while the rows it is about are locked.
create sequence control.route_change_id cache 1;
select setval('control.route_change_id', (select coalesce(max(route_epoch), 1) from control.organization_mapping));

create table control.route_change (
  id bigint primary key,
  -- organization · cell; readers pass over what they do not know.
  kind text not null,
  organization_id bigint,
  slug text,
  cell_name text not null,
  -- Where it is now; null when it is gone.
  locality text,
  -- Where it was before; null when it is new.
  old_locality text,
  rpc_address text,
  is_deleted boolean not null,
  created_at timestamptz not null default now()
);

-- One row: what readers must know of the log as a whole.
create table control.route_log (
  is_only boolean primary key default true check (is_only),
  -- Changes when the database was put back to an earlier state: positions and epochs that were given out before mean
  -- nothing then.
  feed_id uuid not null default gen_random_uuid(),
  -- Every change up to here was committed, or never will be: a new reader may begin here.
  settled_id bigint not null,
  -- Changes up to here may have been removed: a reader who stands before must begin with a snapshot.
  pruned_id bigint not null
);
insert into control.route_log (settled_id, pruned_id) select last_value, last_value from control.route_change_id;

alter table control.cell add column route_epoch bigint not null default 1;

-- The next epoch. The transaction has its id before, which readers of the log rely on.
create function control.next_route_epoch() returns bigint language plpgsql as $$
begin
  perform pg_current_xact_id();
  return nextval('control.route_change_id');
end
$$;

create function control.set_organization_route_epoch() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    if (new.organization_id, new.slug, new.cell_name, new.route_epoch)
        is not distinct from (old.organization_id, old.slug, old.cell_name, old.route_epoch) then
      return new;
    end if;
  end if;
  -- Waits for whoever is about to give up the id or the slug, so that this epoch is greater than that one's.
  perform 1 from control.organization_mapping m
    where m.organization_id = new.organization_id or m.slug = new.slug for update;
  new.route_epoch := control.next_route_epoch();
  return new;
end
$$;
create trigger set_route_epoch before insert or update on control.organization_mapping
  for each row execute function control.set_organization_route_epoch();

create function control.log_organization_route() returns trigger language plpgsql as $$
declare
  was text;
begin
  if tg_op <> 'INSERT' then
    select c.locality into was from control.cell c where c.name = old.cell_name;
  end if;
  if tg_op = 'DELETE' or (tg_op = 'UPDATE' and old.organization_id <> new.organization_id) then
    insert into control.route_change (id, kind, organization_id, slug, cell_name, old_locality, is_deleted)
      values (control.next_route_epoch(), 'organization', old.organization_id, old.slug, old.cell_name, was, true);
    was := null;
  end if;
  if tg_op <> 'DELETE' then
    insert into control.route_change (id, kind, organization_id, slug, cell_name, locality, old_locality, is_deleted)
      select new.route_epoch, 'organization', new.organization_id, new.slug, new.cell_name, c.locality, was, false
      from control.cell c where c.name = new.cell_name;
  end if;
  return null;
end
$$;
create trigger log_route after insert or delete on control.organization_mapping
  for each row execute function control.log_organization_route();
create trigger log_changed_route after update on control.organization_mapping
  for each row when (old.route_epoch <> new.route_epoch) execute function control.log_organization_route();

create function control.set_cell_route_epoch() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    if (new.name, new.locality, new.rpc_address, new.route_epoch)
        is not distinct from (old.name, old.locality, old.rpc_address, old.route_epoch) then
      return new;
    end if;
  end if;
  perform 1 from control.cell c where c.name = new.name for update;
  new.route_epoch := control.next_route_epoch();
  return new;
end
$$;
create trigger set_route_epoch before insert or update on control.cell
  for each row execute function control.set_cell_route_epoch();

create function control.log_cell_route() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' or (tg_op = 'UPDATE' and old.name <> new.name) then
    insert into control.route_change (id, kind, cell_name, old_locality, is_deleted)
      values (control.next_route_epoch(), 'cell', old.name, old.locality, true);
  end if;
  if tg_op <> 'DELETE' then
    insert into control.route_change (id, kind, cell_name, locality, old_locality, rpc_address, is_deleted)
      values (new.route_epoch, 'cell', new.name, new.locality,
        case when tg_op = 'UPDATE' then old.locality end, new.rpc_address, false);
  end if;
  return null;
end
$$;
create trigger log_route after insert or delete on control.cell
  for each row execute function control.log_cell_route();
create trigger log_changed_route after update on control.cell
  for each row when (old.route_epoch <> new.route_epoch) execute function control.log_cell_route();
