-- Of the cell's outbox: an older state never overwrites a newer one. `version` remains for cells of the version before,
-- which tell their states with versions of their own (SyncOrganization).
alter table control.organization_mapping add column replica_version bigint not null default 0;
alter table control.organization_member_mapping add column replica_version bigint not null default 0;
