-- Slugs and project keys that lead to an organization are routes too, and every change of them is logged.
--
-- A slug that is reserved for an organization and is not the organization's own leads to it, whatever it is reserved as;
-- so does the public key of a project until it is removed. Neither leads anywhere while the organization has no mapping.
--
-- Locks are taken in one order: mapping, reservation, project key.
alter table control.route_change add column public_key text;
-- Of the route; null while there is none. Set by the triggers below and by nobody else.
alter table control.organization_slug_reservation add column route_epoch bigint;
alter table control.project_key_mapping add column route_epoch bigint;
create index organization_slug_reservation_routed on control.organization_slug_reservation (slug)
  where route_epoch is not null;
create index project_key_mapping_routed on control.project_key_mapping (project_key_id) where route_epoch is not null;

-- An organization's slug, cell and locality; all null when it has no mapping.
create function control.organization_route(id bigint, out slug text, out cell_name text, out locality text)
language sql volatile as $$
  select m.slug, m.cell_name, c.locality
    from control.organization_mapping m join control.cell c on c.name = m.cell_name where m.organization_id = id
$$;

-- The same, and it stays so until the transaction ends, also that there is no mapping: there is a reservation before.
create function control.hold_organization_route(id bigint, out slug text, out cell_name text, out locality text)
language plpgsql as $$
begin
  perform 1 from control.organization_mapping m where m.organization_id = id for share;
  if not found then
    perform 1 from control.organization_slug_reservation r where r.organization_id = id and r.kind = 'PRIMARY' for share;
    -- Again: it may have come while the reservation was waited for.
    perform 1 from control.organization_mapping m where m.organization_id = id for share;
  end if;
  select * into slug, cell_name, locality from control.organization_route(id);
end
$$;

-- Logs where a slug leads to now: nowhere when is_at is null. Returns the epoch.
create function control.log_slug_route(slug text, organization bigint, cell text, was_at text, is_at text)
returns bigint language sql as $$
  insert into control.route_change (id, kind, organization_id, slug, cell_name, old_locality, locality, is_deleted)
    values (control.next_route_epoch(), 'slug_alias', organization, slug, coalesce(cell, ''), was_at, is_at, is_at is null)
    returning id
$$;

-- The same for the public key of a project.
create function control.log_project_key_route(key text, organization bigint, cell text, was_at text, is_at text)
returns bigint language sql as $$
  insert into control.route_change (id, kind, organization_id, public_key, cell_name, old_locality, locality, is_deleted)
    values (control.next_route_epoch(), 'project_key', organization, key, coalesce(cell, ''), was_at, is_at, is_at is null)
    returning id
$$;

-- After a change of a reservation: the row is locked, so that the epoch is greater than every earlier one of the slug.
create function control.route_slug() returns trigger language plpgsql as $$
declare
  home record;
  epoch bigint;
begin
  if tg_op <> 'INSERT' and old.route_epoch is not null then
    select * into home from control.organization_route(old.organization_id);
    perform control.log_slug_route(old.slug, old.organization_id, home.cell_name, home.locality, null);
  end if;
  if tg_op = 'DELETE' then
    return null;
  end if;
  select * into home from control.hold_organization_route(new.organization_id);
  if home.slug <> new.slug then
    epoch := control.log_slug_route(new.slug, new.organization_id, home.cell_name, null, home.locality);
  end if;
  update control.organization_slug_reservation r set route_epoch = epoch
    where r.slug = new.slug and r.route_epoch is distinct from epoch;
  return null;
end
$$;
create trigger route_slug after insert or delete or update of slug, organization_id
  on control.organization_slug_reservation for each row execute function control.route_slug();

create function control.hold_project_key_route() returns trigger language plpgsql as $$
begin
  -- Before the row itself is locked, as the order of locks wants it.
  perform control.hold_organization_route(new.organization_id);
  return new;
end
$$;
create trigger hold_route before insert on control.project_key_mapping
  for each row execute function control.hold_project_key_route();

-- After a change of a project key.
create function control.route_project_key() returns trigger language plpgsql as $$
declare
  home record;
  epoch bigint;
begin
  if tg_op = 'UPDATE' and (new.public_key, new.organization_id, new.is_removed)
      is not distinct from (old.public_key, old.organization_id, old.is_removed) then
    return null;
  end if;
  if tg_op <> 'INSERT' and old.route_epoch is not null then
    select * into home from control.organization_route(old.organization_id);
    perform control.log_project_key_route(old.public_key, old.organization_id, home.cell_name, home.locality, null);
  end if;
  if tg_op = 'DELETE' then
    return null;
  end if;
  if new.public_key is not null and not new.is_removed then
    select * into home from control.hold_organization_route(new.organization_id);
    if home.locality is not null then
      epoch := control.log_project_key_route(new.public_key, new.organization_id, home.cell_name, null, home.locality);
    end if;
  end if;
  update control.project_key_mapping k set route_epoch = epoch
    where k.project_key_id = new.project_key_id and k.route_epoch is distinct from epoch;
  return null;
end
$$;
create trigger route_key after insert or delete or update of public_key, organization_id, is_removed
  on control.project_key_mapping for each row execute function control.route_project_key();

-- Routes anew what leads to an organization, which has this slug now, was at was_at and is at is_at, each null for nowhere.
create function control.route_keys_of(organization bigint, own_slug text, cell text, was_at text, is_at text)
returns void language plpgsql as $$
declare
  one record;
  was text;
  leads boolean;
  epoch bigint;
begin
  for one in select r.slug, r.route_epoch from control.organization_slug_reservation r
    where r.organization_id = organization order by r.slug for no key update
  loop
    was := case when one.route_epoch is not null then was_at end;
    leads := is_at is not null and one.slug <> own_slug;
    continue when leads = (one.route_epoch is not null) and (not leads or was = is_at);
    epoch := control.log_slug_route(one.slug, organization, cell, was, case when leads then is_at end);
    update control.organization_slug_reservation r set route_epoch = case when leads then epoch end
      where r.slug = one.slug;
  end loop;
  if was_at is not distinct from is_at then
    return;
  end if;
  for one in select k.project_key_id, k.public_key, k.route_epoch from control.project_key_mapping k
    where k.organization_id = organization and k.public_key is not null and not k.is_removed
    order by k.project_key_id for no key update
  loop
    continue when is_at is null and one.route_epoch is null;
    was := case when one.route_epoch is not null then was_at end;
    epoch := control.log_project_key_route(one.public_key, organization, cell, was, is_at);
    update control.project_key_mapping k set route_epoch = case when is_at is not null then epoch end
      where k.project_key_id = one.project_key_id;
  end loop;
end
$$;

create function control.route_organization_keys() returns trigger language plpgsql as $$
declare
  was_at text;
  is_at text;
begin
  if tg_op <> 'INSERT' then
    select c.locality into was_at from control.cell c where c.name = old.cell_name;
  end if;
  if tg_op = 'DELETE' or (tg_op = 'UPDATE' and old.organization_id <> new.organization_id) then
    perform control.route_keys_of(old.organization_id, null, old.cell_name, was_at, null);
    was_at := null;
  end if;
  if tg_op <> 'DELETE' then
    select c.locality into is_at from control.cell c where c.name = new.cell_name;
    perform control.route_keys_of(new.organization_id, new.slug, new.cell_name, was_at, is_at);
  end if;
  return null;
end
$$;
-- By their names they come after the triggers that log the organization itself.
create trigger route_keys after insert or delete on control.organization_mapping
  for each row execute function control.route_organization_keys();
create trigger route_keys_of_changed after update on control.organization_mapping
  for each row when (old.organization_id <> new.organization_id or old.slug <> new.slug or old.cell_name <> new.cell_name)
  execute function control.route_organization_keys();

update control.organization_slug_reservation r set route_epoch = control.next_route_epoch()
  from control.organization_mapping m where m.organization_id = r.organization_id and m.slug <> r.slug;
update control.project_key_mapping k set route_epoch = control.next_route_epoch()
  from control.organization_mapping m
  where m.organization_id = k.organization_id and k.public_key is not null and not k.is_removed;
