-- Every cell is told of a user that is deleted: any of them may hold its id, whether control knows of it or not.

-- The cells there are; none where this service runs without the directory.
create function control.cells_of_fleet() returns text[] language plpgsql stable as $$
begin
  if to_regclass('control.cell') is null then
    return '{}';
  end if;
  return (select coalesce(array_agg(name order by name), '{}') from control.cell);
end
$$;
select control.tombstone_tell('user', 40, 2, 'control.cells_of_fleet()');
