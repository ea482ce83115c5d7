-- Slugs are reserved in kinds, cells take organizations by weight and capacity, and both change while everything runs.
-- Code that knows only 0001 goes on: its rows are PRIMARY, of cells that are ACTIVE.

-- PRIMARY: the organization's slug, or that of one that is being created · ALIAS: an old slug, until expires_at ·
-- RENAME: the slug that a rename under way has taken. All of them lead to the organization.
alter table control.organization_slug_reservation
  add column kind text not null default 'PRIMARY' check (kind in ('PRIMARY', 'ALIAS', 'RENAME')),
  add column expires_at timestamptz,
  add constraint organization_slug_reservation_expiry_check check ((kind = 'ALIAS') = (expires_at is not null)),
  -- An organization has several slugs now; one of them is PRIMARY.
  drop constraint organization_slug_reservation_organization_id_key;
create unique index organization_slug_reservation_primary on control.organization_slug_reservation (organization_id)
  where kind = 'PRIMARY';
create index organization_slug_reservation_by_organization on control.organization_slug_reservation (organization_id);
create index organization_slug_reservation_by_expiry on control.organization_slug_reservation (expires_at)
  where kind = 'ALIAS';
-- How many organizations a cell has, those that are being created included.
create index organization_slug_reservation_by_cell on control.organization_slug_reservation (cell_name)
  where kind = 'PRIMARY';

-- Renames under way, one an organization: written down before the cell is asked, deleted when all is done or undone.
create table control.organization_rename (
  organization_id bigint primary key,
  -- Greater than that of every earlier rename: the cell refuses an older one that comes late.
  number bigint not null,
  slug text not null,
  -- Until when the old slug will be an alias.
  alias_expires_at timestamptz not null,
  -- Set when the slug was an alias of the organization, which it is again when the rename is undone.
  was_alias_until timestamptz,
  -- Who works on it: a worker that comes back after its lease was taken over changes nothing.
  attempt integer not null default 1,
  lease_until timestamptz not null
);
create sequence control.organization_rename_number;

alter table control.cell
  add column weight integer not null default 100 check (weight between 1 and 1000),
  -- The most organizations that it takes; null for no limit.
  add column capacity integer check (capacity > 0),
  add column state text not null default 'ACTIVE' check (state in ('ACTIVE', 'DRAINING')),
  -- FILE: follows the topology file · OPERATOR: was added or moved at run time, and the file says nothing about it.
  add column source text not null default 'FILE' check (source in ('FILE', 'OPERATOR'));
-- In locality.new_organization_cell, empty means that new organizations are placed over all cells.
alter table control.locality
  add column source text not null default 'FILE' check (source in ('FILE', 'OPERATOR'));

-- Cells that were removed: the topology file does not bring them back, and their numbers, which ids carry, are never
-- given to another.
create table control.removed_cell (
  number integer primary key,
  name text not null,
  removed_at timestamptz not null default now()
);
-- Localities that were removed, which the topology file does not bring back.
create table control.removed_locality (
  name text primary key,
  removed_at timestamptz not null default now()
);

-- A finished request outlives its organization and its cell, so that it is answered the same for ever.
alter table control.provision_request drop constraint provision_request_cell_name_fkey;

-- When the directory was last told something of the membership.
alter table control.organization_member_mapping add column updated_at timestamptz not null default now();
