-- The cell of an organization is told of its installations, and of the integrations that these belong to.

-- The cell of an organization; none while the directory does not know it. The shard's place is taken first, by a write to
-- nobody: so whoever changes an installation and whoever moves the organization at the same time follow one another.
create function control.cells_of_organization(p_organization_id bigint) returns text[] language plpgsql volatile as $$
begin
  perform control.outbox_write(array[]::text[], 1, p_organization_id, 22, p_organization_id);
  -- The directory's tables may be made after these.
  if to_regclass('control.organization_mapping') is null then
    return array[]::text[];
  end if;
  return array(select m.cell_name from control.organization_mapping m where m.organization_id = p_organization_id);
end
$$;

-- The cells in which an integration is installed; see above.
create function control.cells_of_integration(p_integration_id bigint) returns text[] language plpgsql volatile as $$
begin
  perform control.outbox_write(array[]::text[], 3, p_integration_id, 23, p_integration_id);
  if to_regclass('control.organization_mapping') is null then
    return array[]::text[];
  end if;
  return array(
    select distinct m.cell_name from control.organization_integration o
      join control.organization_mapping m on m.organization_id = o.organization_id
    where o.integration_id = p_integration_id
  );
end
$$;

select control.outbox_track('organization_integration', 22, 1, 'organization_id', 'id', 'control.cells_of_organization(r.organization_id)');
select control.outbox_track('integration', 23, 3, 'id', 'id', 'control.cells_of_integration(r.id)');

-- An installation that comes or goes may be the first or the last of its integration in a cell.
create function control.tell_cell_of_integration() returns trigger language plpgsql as $$
begin
  if tg_op <> 'INSERT' then
    perform control.outbox_write(control.cells_of_organization(old.organization_id), 3, old.integration_id, 23, old.integration_id);
  end if;
  if tg_op <> 'DELETE' then
    perform control.outbox_write(control.cells_of_organization(new.organization_id), 3, new.integration_id, 23, new.integration_id);
  end if;
  return null;
end
$$;
create trigger tell_integration after insert or delete on control.organization_integration
  for each row execute function control.tell_cell_of_integration();
create trigger tell_changed_integration after update on control.organization_integration
  for each row when ((old.organization_id, old.integration_id) is distinct from (new.organization_id, new.integration_id))
  execute function control.tell_cell_of_integration();

-- Tells a cell of all installations of an organization that has come there, or that they have gone. Called by the
-- directory's trigger.
create function control.tell_cell_of_installations(p_cell_name text, p_organization_id bigint) returns void language plpgsql as $$
begin
  perform control.outbox_write(array[]::text[], 1, p_organization_id, 22, p_organization_id);
  perform control.outbox_write(array[p_cell_name], 1, p_organization_id, 22, o.id)
    from (select id from control.organization_integration where organization_id = p_organization_id order by id) o;
  perform control.outbox_write(array[p_cell_name], 3, o.integration_id, 23, o.integration_id)
    from (select distinct integration_id from control.organization_integration
          where organization_id = p_organization_id order by integration_id) o;
end
$$;

-- First of all that is there already. Without a place in the shards: until this commits nobody else can write of these.
do $$
begin
  if to_regclass('control.organization_mapping') is not null then
    insert into control.outbox (id, destination, scope, shard_id, category, object_id)
      select nextval('control.outbox_id'), m.cell_name, 1, o.organization_id, 22, o.id
      from control.organization_integration o join control.organization_mapping m on m.organization_id = o.organization_id;
    insert into control.outbox (id, destination, scope, shard_id, category, object_id)
      select nextval('control.outbox_id'), i.cell_name, 3, i.integration_id, 23, i.integration_id
      from (select distinct m.cell_name, o.integration_id
            from control.organization_integration o join control.organization_mapping m on m.organization_id = o.organization_id) i;
  end if;
end
$$;
