-- How many rows wait for each destination, as the process that delivers counted them last. For the other processes.
create table __schema__.outbox_depth (
  destination text primary key,
  row_count bigint not null,
  counted_at timestamptz not null
) with (fillfactor = 50);
