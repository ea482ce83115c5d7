-- Everything in these tables belongs to one organization and is found by its id. Ids are snowflakes, unique over all
-- cells, so that rows of several cells can stand in one database. Users live in control: no foreign key to them.

create table cell.organization (
  id bigint primary key,
  slug text not null,
  name text not null,
  status text not null default 'ACTIVE' check (status in ('ACTIVE', 'PENDING_DELETION')),
  default_role text not null default 'MEMBER'
    check (default_role in ('BILLING', 'MEMBER', 'ADMIN', 'MANAGER', 'OWNER')),
  -- Empty for none.
  avatar_url text not null default '',
  is_early_adopter boolean not null default false,
  requires_two_factor boolean not null default false,
  allows_join_requests boolean not null default true,
  has_open_membership boolean not null default true,
  allows_shared_issues boolean not null default true,
  has_enhanced_privacy boolean not null default false,
  -- False until the directory has confirmed that it routes here; until then it is told of no change.
  is_confirmed boolean not null default false,
  -- Who asked for it, and the membership that they got: what a repeated creation is compared with, and answered.
  -- Never changed, whatever becomes of that member.
  initial_owner_user_id bigint not null,
  initial_owner_member_id bigint not null,
  -- Grows with every change of what the directory shows of it.
  version bigint not null default 1 check (version > 0),
  created_at timestamptz not null,
  purge_at timestamptz,
  constraint organization_slug_key unique (slug),
  constraint organization_purge_at_check check ((status = 'PENDING_DELETION') = (purge_at is not null))
);
create index organization_by_purge_at on cell.organization (purge_at, id) where purge_at is not null;

-- Ids of organizations whose creation was given up, and of those that were purged: a late creation is refused.
create table cell.cancelled_organization (
  organization_id bigint primary key,
  cancelled_at timestamptz not null
);

create table cell.organization_member (
  id bigint primary key,
  organization_id bigint not null references cell.organization (id) on delete cascade,
  -- Null while the invitation is not accepted.
  user_id bigint,
  -- In lower case. Null when unknown.
  email text,
  role text not null check (role in ('BILLING', 'MEMBER', 'ADMIN', 'MANAGER', 'OWNER')),
  invite_status text not null check (invite_status in ('ACCEPTED', 'PENDING', 'REQUESTED')),
  -- SHA-256 of the invite token, which is kept nowhere. It stays after the acceptance, for a repeated one.
  invite_token_hash bytea,
  inviter_id bigint,
  -- Grows with every change of what the directory shows of it; a removal is told with a greater one still.
  version bigint not null default 1 check (version > 0),
  created_at timestamptz not null,
  constraint organization_member_user_key unique (organization_id, user_id),
  constraint organization_member_email_key unique (organization_id, email),
  constraint organization_member_identity_check check (user_id is not null or email is not null),
  constraint organization_member_accepted_check check ((invite_status = 'ACCEPTED') = (user_id is not null)),
  -- For the foreign keys that keep a row's organization and its member's the same.
  constraint organization_member_organization_key unique (organization_id, id)
);
create index organization_member_by_role on cell.organization_member (organization_id, role, id);
create index organization_member_by_user on cell.organization_member (user_id, organization_id) where user_id is not null;

create table cell.team (
  id bigint primary key,
  organization_id bigint not null references cell.organization (id) on delete cascade,
  slug text not null,
  name text not null,
  created_at timestamptz not null,
  constraint team_slug_key unique (organization_id, slug),
  constraint team_organization_key unique (organization_id, id)
);

create table cell.team_member (
  organization_id bigint not null,
  team_id bigint not null,
  member_id bigint not null,
  created_at timestamptz not null,
  primary key (team_id, member_id),
  constraint team_member_team_fkey foreign key (organization_id, team_id)
    references cell.team (organization_id, id) on delete cascade,
  constraint team_member_member_fkey foreign key (organization_id, member_id)
    references cell.organization_member (organization_id, id) on delete cascade
);
create index team_member_by_team on cell.team_member (organization_id, team_id);
create index team_member_by_member on cell.team_member (organization_id, member_id, team_id);

create table cell.project (
  id bigint primary key,
  organization_id bigint not null references cell.organization (id) on delete cascade,
  slug text not null,
  name text not null,
  -- Empty when unknown.
  platform text not null default '',
  team_id bigint not null,
  created_at timestamptz not null,
  constraint project_slug_key unique (organization_id, slug),
  constraint project_organization_key unique (organization_id, id),
  constraint project_team_fkey foreign key (organization_id, team_id) references cell.team (organization_id, id)
);
create index project_by_team on cell.project (organization_id, team_id, id);

create table cell.project_key (
  id bigint primary key,
  organization_id bigint not null,
  project_id bigint not null,
  label text not null,
  public_key text not null check (public_key ~ '^[0-9a-f]{32}$'),
  -- SHA-256 of the secret half, which is kept nowhere.
  secret_key_hash bytea not null,
  created_at timestamptz not null,
  constraint project_key_public_key unique (public_key),
  constraint project_key_project_fkey foreign key (organization_id, project_id)
    references cell.project (organization_id, id) on delete cascade
);
create index project_key_by_project on cell.project_key (organization_id, project_id, id);

create table cell.organization_option (
  organization_id bigint not null references cell.organization (id) on delete cascade,
  key text not null,
  -- JSON null is a value.
  value jsonb not null,
  updated_at timestamptz not null,
  primary key (organization_id, key)
);

-- What the directory has still to be told. Written in the transaction of the change, for confirmed organizations only;
-- but a removal from one that is unconfirmed is held back (retry_at = infinity) until it is confirmed or cancelled.
-- A row says which object changed, not what it is: its state is read when it is delivered. Delivered at least once.
create table cell.pending_directory_update (
  id bigint generated by default as identity primary key,
  -- No foreign key: the rows of a purged organization outlive it.
  organization_id bigint not null,
  kind text not null check (kind in ('organization', 'member', 'organization_deleted')),
  -- The organization or the member.
  object_id bigint not null,
  -- {"version": "7"} of a member that is gone; null for what is still there to be read.
  payload jsonb,
  -- Failed deliveries so far, the error of the last, and when to try again.
  attempts integer not null default 0,
  last_error text,
  retry_at timestamptz not null default now(),
  created_at timestamptz not null default now()
);
create index pending_directory_update_by_organization on cell.pending_directory_update (organization_id, id);

-- Who delivers: one process at a time, for as long as it renews the lease. Two at once would do no harm, only work.
create table cell.directory_update_lease (
  name text primary key check (name = 'drain'),
  holder uuid,
  expires_at timestamptz not null
);
insert into cell.directory_update_lease (name, expires_at) values ('drain', '-infinity');
