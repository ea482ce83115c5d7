-- The directory is told of teams; of who is in them as a state of the member.
select cell.outbox_track('team', 5, 1, 'organization_id', 'id', 'array[''control'']');
select cell.outbox_track('team_member', 3, 1, 'organization_id', 'member_id', 'array[''control'']');
