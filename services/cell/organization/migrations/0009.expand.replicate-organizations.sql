-- The directory is told of organizations and their members through the outbox; of those that are there already by the
-- backfill. cell.pending_directory_update and cell.directory_update_lease are only there for processes of the version
-- before, whose changes are told here as well.
select cell.outbox_track('organization', 2, 1, 'id', 'id', 'array[''control'']');
select cell.outbox_track('organization_member', 3, 1, 'organization_id', 'id', 'array[''control'']');
