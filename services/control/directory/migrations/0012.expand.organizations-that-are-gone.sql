-- An organization is gone for control when its mapping goes. Its id is never used again.
select control.tombstone_mirror('organization_mapping', 'organization_id', 'cell.organization');
select control.tombstone_reference('project_key_mapping', 'organization_id', 'cell.organization');
