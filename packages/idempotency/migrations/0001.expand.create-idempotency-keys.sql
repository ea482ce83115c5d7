-- What requests with an Idempotency-Key were answered. __schema__ is replaced before the file runs.

create table __schema__.idempotency_key (
  -- Whose key it is, such as user:7: nobody meets another's.
  actor text not null,
  -- SHA-256 of the key.
  key_hash bytea not null,
  -- SHA-256 of what was asked for.
  fingerprint bytea not null,
  -- Who carries the request out; a later one takes it over once claimed_until has passed and nothing was carried out.
  claim uuid not null,
  claimed_until timestamptz not null,
  -- Set in the transaction of the request's effect.
  is_carried_out boolean not null default false,
  -- Sealed. Null while there is none, and where it got lost.
  answer bytea,
  created_at timestamptz not null,
  primary key (actor, key_hash)
);
create index idempotency_key_by_age on __schema__.idempotency_key (created_at);
