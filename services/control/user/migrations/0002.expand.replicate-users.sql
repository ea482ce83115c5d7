-- Cells are told of the users that are members there, and of their API tokens.

-- Which cells know of a user. Kept by the directory's memberships (its triggers write here), read by whoever tells cells.
-- No foreign key: a cell is still to be told that a user is gone.
create table control.user_cell (
  user_id bigint not null,
  cell_name text not null,
  -- KNOWN: the cell was told · JOINING: it is to be told, by the task user.settle-cells · LEAVING: a membership there has
  -- ended, and the task looks whether it was the last.
  state text not null default 'KNOWN' check (state in ('KNOWN', 'JOINING', 'LEAVING')),
  primary key (user_id, cell_name)
);
create index user_cell_unsettled on control.user_cell (user_id, cell_name) where state <> 'KNOWN';

-- The cells to tell of a change of a user. The shard's place is taken first, by a write to nobody: so whoever changes a
-- user and whoever brings the user to another cell at the same time follow one another, and the later one sees the other.
create function control.cells_of_user(p_user_id bigint) returns text[] language plpgsql volatile as $$
begin
  perform control.outbox_write(array[]::text[], 2, p_user_id, 20, p_user_id);
  return array(select c.cell_name from control.user_cell c where c.user_id = p_user_id);
end
$$;

select control.outbox_track('user', 20, 2, 'id', 'id', 'control.cells_of_user(r.id)');
select control.outbox_track('api_token', 21, 2, 'user_id', 'id', 'control.cells_of_user(r.user_id)');
-- That a token was used is no news.
drop trigger outbox_api_token_21 on control.api_token;
create trigger outbox_api_token_21 after insert or delete on control.api_token
  for each row execute function control.outbox_api_token_21();
create trigger outbox_api_token_21_changed after update on control.api_token
  for each row when (
    (old.id, old.user_id, old.token_hash, old.scopes, old.expires_at)
    is distinct from (new.id, new.user_id, new.token_hash, new.scopes, new.expires_at)
  ) execute function control.outbox_api_token_21();

-- Tells a cell of all there is of a user that has come, or that all of it has gone.
create function control.tell_cell_of_user() returns trigger language plpgsql as $$
declare
  r control.user_cell;
begin
  r := case when tg_op = 'DELETE' then old else new end;
  perform control.outbox_write(array[r.cell_name], 2, r.user_id, 20, r.user_id);
  -- In a statement of its own, after the shard's place was taken: a token that is not seen here sees this cell.
  perform control.outbox_write(array[r.cell_name], 2, r.user_id, 21, t.id)
    from (select id from control.api_token where user_id = r.user_id order by id) t;
  return null;
end
$$;
create trigger tell_cell_come after insert on control.user_cell
  for each row when (new.state = 'KNOWN') execute function control.tell_cell_of_user();
create trigger tell_cell_joined after update on control.user_cell
  for each row when (old.state = 'JOINING' and new.state = 'KNOWN') execute function control.tell_cell_of_user();
create trigger tell_cell_gone after delete on control.user_cell
  for each row execute function control.tell_cell_of_user();

-- Members that are there already, as far as the directory's triggers have not noted them; see its own migration.
do $$
begin
  if to_regclass('control.organization_member_mapping') is not null then
    insert into control.user_cell (user_id, cell_name, state)
      select distinct o.user_id, m.cell_name, 'JOINING' from control.organization_member_mapping o
        join control.organization_mapping m on m.organization_id = o.organization_id
      where o.user_id is not null and not o.is_removed
      on conflict do nothing;
  end if;
end
$$;
