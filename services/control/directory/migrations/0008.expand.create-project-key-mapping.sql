-- Where data that is sent with a project's public key belongs. A removed key stays, so that a late older state does not
-- bring it back.
create table control.project_key_mapping (
  project_key_id bigint primary key,
  organization_id bigint not null,
  project_id bigint,
  -- Null for a key of which only the removal was ever heard.
  public_key text,
  -- Of the cell's outbox: an older state never overwrites a newer one.
  version bigint not null,
  is_removed boolean not null default false,
  updated_at timestamptz not null default now()
);
create unique index project_key_mapping_by_public_key on control.project_key_mapping (public_key)
  where public_key is not null and not is_removed;
create index project_key_mapping_by_organization on control.project_key_mapping (organization_id, project_key_id);
