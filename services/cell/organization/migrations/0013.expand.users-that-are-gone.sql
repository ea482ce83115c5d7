-- What becomes of members, and of whom they were invited by, when a user is deleted in control.
create index organization_member_by_inviter on cell.organization_member (inviter_id) where inviter_id is not null;
select cell.tombstone_reference('organization_member', 'user_id', 'control.user');
select cell.tombstone_reference('organization_member', 'inviter_id', 'control.user');
