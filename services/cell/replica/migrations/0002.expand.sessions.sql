-- The sessions of the users that are members in a cell, as control tells of them.
create table cell.session_replica (
  cell_name text not null,
  session_id bigint not null,
  version bigint not null,
  is_removed boolean not null,
  user_id bigint,
  -- SHA-256 of the session's secret, which never comes here.
  token_hash bytea check (length(token_hash) = 32),
  -- When it ends, whatever happens.
  expires_at timestamptz,
  -- When it ends unless it is used, as far as control knows.
  idle_expires_at timestamptz,
  idle_timeout_seconds int,
  -- The cell's own: when it ends unless it is used, by the uses that this cell has seen. Null: none that counts.
  extended_until timestamptz,
  updated_at timestamptz not null default now(),
  primary key (cell_name, session_id),
  constraint session_replica_content_check check (is_removed = (token_hash is null))
);
create index session_replica_by_hash on cell.session_replica (token_hash, cell_name) where token_hash is not null;
