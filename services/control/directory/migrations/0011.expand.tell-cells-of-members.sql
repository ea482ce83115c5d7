-- A user who joins an organization in a cell that does not know it is told to that cell, with this transaction; where the
-- user has left the last one, the cell is told to forget it, a little later. Writes control.user_cell, which the users'
-- migrations make.

create function control.note_member_cell() returns trigger language plpgsql as $$
declare
  was bigint := case when tg_op <> 'INSERT' and not old.is_removed then old.user_id end;
  now_is bigint := case when tg_op <> 'DELETE' and not new.is_removed then new.user_id end;
begin
  -- An organization that moves at the same time is waited for, so that its new cell is seen below.
  perform from control.organization_mapping m
    where m.organization_id in (old.organization_id, new.organization_id) for key share;
  if was is not null then
    -- Nothing when the organization is gone with all its members: that was noted before. A row that stays as it is is
    -- locked all the same: whoever settles it must wait to see that this membership has ended.
    update control.user_cell c set state = case c.state when 'KNOWN' then 'LEAVING' else c.state end
      from control.organization_mapping m
      where m.organization_id = old.organization_id and c.user_id = was and c.cell_name = m.cell_name;
  end if;
  if now_is is not null then
    -- Whoever is about to remove the row is waited for: one that is there is locked, changed or not.
    insert into control.user_cell (user_id, cell_name)
      select now_is, m.cell_name from control.organization_mapping m where m.organization_id = new.organization_id
      on conflict (user_id, cell_name) do update set state = 'KNOWN' where user_cell.state <> 'KNOWN';
  end if;
  return null;
end
$$;
create trigger note_cell after insert or delete on control.organization_member_mapping
  for each row execute function control.note_member_cell();
create trigger note_changed_cell after update on control.organization_member_mapping
  for each row when (
    (old.organization_id, case when not old.is_removed then old.user_id end)
    is distinct from (new.organization_id, case when not new.is_removed then new.user_id end)
  ) execute function control.note_member_cell();

-- An organization that moves or goes takes many users along: what that means for cells is found out user by user, later.
create function control.note_members_cell() returns trigger language plpgsql as $$
begin
  -- Members that are being added are waited for, and seen by the next statement.
  perform from control.organization_mapping m where m.organization_id = old.organization_id for update;
  if tg_op = 'UPDATE' then
    insert into control.user_cell (user_id, cell_name, state)
      select distinct o.user_id, new.cell_name, 'JOINING' from control.organization_member_mapping o
      where o.organization_id = new.organization_id and o.user_id is not null and not o.is_removed order by o.user_id
      on conflict (user_id, cell_name) do update set state = 'JOINING' where user_cell.state = 'LEAVING';
  end if;
  update control.user_cell c set state = case c.state when 'KNOWN' then 'LEAVING' else c.state end
    from control.organization_member_mapping o
    where o.organization_id = old.organization_id and not o.is_removed and c.user_id = o.user_id and c.cell_name = old.cell_name;
  return old;
end
$$;
create trigger note_moved_members after update on control.organization_mapping
  for each row when (old.cell_name <> new.cell_name) execute function control.note_members_cell();
-- Before: after it the members are gone as well.
create trigger note_gone_members before delete on control.organization_mapping
  for each row execute function control.note_members_cell();

-- An organization that is new in a cell brings its installations, and takes them away when it goes.
create function control.note_organization_cell() returns trigger language plpgsql as $$
begin
  if tg_op <> 'INSERT' then
    perform control.tell_cell_of_installations(old.cell_name, old.organization_id);
  end if;
  if tg_op <> 'DELETE' then
    perform control.tell_cell_of_installations(new.cell_name, new.organization_id);
  end if;
  return null;
end
$$;
create trigger tell_installations after insert or delete on control.organization_mapping
  for each row execute function control.note_organization_cell();
create trigger tell_moved_installations after update on control.organization_mapping
  for each row when (old.cell_name <> new.cell_name) execute function control.note_organization_cell();

-- Members that are there already: the task user.settle-cells tells their cells, some at a time. Where the users' table is
-- made after this, its migration does the same.
do $$
begin
  if to_regclass('control.user_cell') is not null then
    insert into control.user_cell (user_id, cell_name, state)
      select distinct o.user_id, m.cell_name, 'JOINING' from control.organization_member_mapping o
        join control.organization_mapping m on m.organization_id = o.organization_id
      where o.user_id is not null and not o.is_removed
      on conflict do nothing;
  end if;
end
$$;
