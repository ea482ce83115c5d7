-- What control has told this cell of what control owns. Several cells may share a database (a monolith), so every row
-- says which cell it is of. What is gone stays as a row without content, so that a late older state does not bring it back.
-- version: of control's outbox; an older state never overwrites a newer one.

create table cell.user_replica (
  cell_name text not null,
  user_id bigint not null,
  version bigint not null,
  is_removed boolean not null,
  username text,
  display_name text,
  is_active boolean,
  avatar_url text,
  updated_at timestamptz not null default now(),
  primary key (cell_name, user_id),
  constraint user_replica_content_check check (is_removed = (username is null))
);

create table cell.api_token_replica (
  cell_name text not null,
  token_id bigint not null,
  version bigint not null,
  is_removed boolean not null,
  user_id bigint,
  -- SHA-256 of the token, which never comes here.
  token_hash bytea check (length(token_hash) = 32),
  scopes text[],
  -- Null: never.
  expires_at timestamptz,
  updated_at timestamptz not null default now(),
  primary key (cell_name, token_id),
  constraint api_token_replica_content_check check (is_removed = (token_hash is null))
);
create index api_token_replica_by_hash on cell.api_token_replica (token_hash, cell_name) where token_hash is not null;

create table cell.organization_integration_replica (
  cell_name text not null,
  organization_integration_id bigint not null,
  version bigint not null,
  is_removed boolean not null,
  organization_id bigint,
  integration_id bigint,
  -- Never a secret.
  config jsonb,
  default_auth_id bigint,
  status text,
  grace_period_end timestamptz,
  created_at timestamptz,
  changed_at timestamptz,
  updated_at timestamptz not null default now(),
  primary key (cell_name, organization_integration_id),
  constraint organization_integration_replica_content_check check (is_removed = (organization_id is null))
);
create index organization_integration_replica_by_organization
  on cell.organization_integration_replica (organization_id, organization_integration_id) where organization_id is not null;

create table cell.integration_replica (
  cell_name text not null,
  integration_id bigint not null,
  version bigint not null,
  is_removed boolean not null,
  provider text,
  external_id text,
  name text,
  -- Never a secret.
  metadata jsonb,
  status text,
  created_at timestamptz,
  changed_at timestamptz,
  updated_at timestamptz not null default now(),
  primary key (cell_name, integration_id),
  constraint integration_replica_content_check check (is_removed = (provider is null))
);
