-- The number of the last change of the slug that the directory asked for, carried out or refused: an older one that
-- comes late is refused.
alter table cell.organization add column slug_change_number bigint not null default 0;

-- Old slugs, by which an organization is still found. Which slug leads to which organization is decided in control; the
-- same time is kept here so that a call which was led here is answered.
create table cell.organization_slug_alias (
  slug text primary key,
  organization_id bigint not null references cell.organization (id) on delete cascade,
  expires_at timestamptz not null
);
create index organization_slug_alias_by_organization on cell.organization_slug_alias (organization_id);
create index organization_slug_alias_by_expiry on cell.organization_slug_alias (expires_at);
