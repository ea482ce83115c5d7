-- The directory is told of every project key; first of those that are there already.
select cell.outbox_track('project_key', 1, 1, 'organization_id', 'id', 'array[''control'']');
select cell.outbox_write(array['control'], 1, organization_id, 1, id) from (select organization_id, id from cell.project_key order by id) k;
