-- What an organization had installed goes with it.
select control.tombstone_reference('organization_integration', 'organization_id', 'cell.organization');
