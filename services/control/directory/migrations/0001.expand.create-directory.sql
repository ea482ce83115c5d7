-- Cells and localities are rows, so that adding one is not a deploy. Configuration seeds them.
create table control.locality (
  name text primary key,
  display_name text not null,
  category text not null check (category in ('MULTI_TENANT', 'SINGLE_TENANT')),
  new_organization_cell text not null
);

create table control.cell (
  name text primary key,
  -- Part of the ids of the organizations created there; never reused.
  number integer not null unique check (number between 1 and 1023),
  locality text not null references control.locality (name),
  rpc_address text not null unique
);

-- A slug belongs to one organization over all localities, from before the organization exists until it is purged.
create table control.organization_slug_reservation (
  slug text primary key,
  organization_id bigint not null unique,
  cell_name text not null references control.cell (name),
  created_at timestamptz not null default now()
);

-- Where an organization lives, with the fields that lists show.
create table control.organization_mapping (
  organization_id bigint primary key,
  slug text not null unique references control.organization_slug_reservation (slug),
  name text not null,
  status text not null,
  cell_name text not null references control.cell (name),
  -- Of the organization in its cell: an older state never overwrites a newer one.
  version bigint not null,
  -- Grows with every change of the route.
  route_epoch bigint not null default 1,
  created_at timestamptz not null,
  updated_at timestamptz not null default now()
);
create index organization_mapping_by_cell on control.organization_mapping (cell_name, organization_id);

-- Which user is in which organization, over all cells.
create table control.organization_member_mapping (
  organization_id bigint not null references control.organization_mapping (organization_id) on delete cascade,
  member_id bigint not null,
  -- Null until an invitation is accepted. A reference across silos, so no foreign key.
  user_id bigint,
  role text not null,
  invite_status text not null,
  version bigint not null,
  -- A removed member stays as a tombstone, so that a late older state does not bring it back.
  is_removed boolean not null default false,
  primary key (organization_id, member_id)
);
create index organization_member_mapping_by_user on control.organization_member_mapping (user_id, organization_id)
  where user_id is not null and not is_removed;

-- One row per request to create an organization, so that a repeated request gets the same answer and a request that
-- died in the middle is undone.
create table control.provision_request (
  request_id text primary key,
  -- SHA-256 of what was asked for: the same id with another content is refused.
  fingerprint text not null,
  organization_id bigint not null unique,
  slug text not null,
  locality text not null,
  cell_name text not null references control.cell (name),
  -- pending: being worked on · mapped: created and routed, not yet confirmed to the cell · done
  -- cancelling: given up; the cell has to be told
  state text not null check (state in ('pending', 'mapped', 'done', 'cancelling')),
  -- Who works on it: a worker that comes back after its lease was taken over changes nothing.
  attempt integer not null default 1,
  lease_until timestamptz not null,
  created_at timestamptz not null default now()
);
create index provision_request_unfinished on control.provision_request (lease_until) where state <> 'done';
