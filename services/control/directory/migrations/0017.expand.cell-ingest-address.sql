-- Where a cell takes events, for the ingest routers: null where its HTTP address does. It is logged and told as that is.
alter table control.cell add column ingest_address text;
alter table control.route_change add column ingest_address text;

create or replace function control.set_cell_route_epoch() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    if (new.name, new.locality, new.rpc_address, new.http_address, new.ingest_address, new.route_epoch)
        is not distinct from (old.name, old.locality, old.rpc_address, old.http_address, old.ingest_address, old.route_epoch) then
      return new;
    end if;
  end if;
  perform 1 from control.cell c where c.name = new.name for update;
  new.route_epoch := control.next_route_epoch();
  return new;
end
$$;

create or replace function control.log_cell_route() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' or (tg_op = 'UPDATE' and old.name <> new.name) then
    insert into control.route_change (id, kind, cell_name, old_locality, is_deleted)
      values (control.next_route_epoch(), 'cell', old.name, old.locality, true);
  end if;
  if tg_op <> 'DELETE' then
    insert into control.route_change (id, kind, cell_name, locality, old_locality, rpc_address, http_address,
        ingest_address, is_deleted)
      values (new.route_epoch, 'cell', new.name, new.locality,
        case when tg_op = 'UPDATE' then old.locality end, new.rpc_address, new.http_address, new.ingest_address, false);
  end if;
  return null;
end
$$;
