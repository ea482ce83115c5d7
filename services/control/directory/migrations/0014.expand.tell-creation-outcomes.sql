-- The cell is told what became of a creation when the request changes its state. A cell that was removed is told nothing.
select control.outbox_track('provision_request', 4, 1, 'organization_id', 'organization_id',
  'array(select name from control.cell where name = r.cell_name)');
