-- The teams of organizations in cells. A removed team stays, so that a late older state does not bring it back.
create table control.team_mapping (
  team_id bigint primary key,
  organization_id bigint not null references control.organization_mapping (organization_id) on delete cascade,
  -- Null for a team of which only the removal was ever heard.
  slug text,
  name text,
  replica_version bigint not null,
  is_removed boolean not null default false,
  constraint team_mapping_content_check check (is_removed = (slug is null))
);
create index team_mapping_by_organization on control.team_mapping (organization_id, team_id);

-- The teams of a member. A column of the member, not a table: it comes and goes with the member's state.
alter table control.organization_member_mapping add column team_ids bigint[] not null default '{}';
