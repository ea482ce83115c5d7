-- The directory is told of every project key; of those that are there already by the backfill.
select cell.outbox_track('project_key', 1, 1, 'organization_id', 'id', 'array[''control'']');
