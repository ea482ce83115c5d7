-- Who runs in this silo, and what of it is used that is to be removed. __schema__ is replaced before the file runs.
--
-- Every time here is the database's, or that of whoever says p_now: the clocks of processes are not compared.

-- One row for each process that serves from this database, kept for some days after its end.
create table __schema__.process (
  id text primary key,
  silo text not null,
  host text not null,
  pid integer not null,
  -- The release, and the digest of the contracts that it serves.
  version text not null,
  contract text not null,
  -- What it counts uses of, each as 'KIND subject'.
  counted text[] not null,
  started_at timestamptz not null,
  seen_at timestamptz not null,
  -- When it said goodbye. Null while it runs, and for ever when it was killed.
  stopped_at timestamptz
);

-- Uses of what is deprecated, by who used it.
create table __schema__.deprecated_use (
  -- METHOD: a call · FIELD: a request that sets it · ALIAS: an old name
  kind text not null,
  subject text not null,
  -- A silo, as its signature proves; what it says of itself; 'other' for all beyond the limit of a subject's rows.
  caller text not null,
  caller_service text not null,
  caller_version text not null,
  first_used_at timestamptz not null,
  last_used_at timestamptz not null,
  use_count bigint not null,
  primary key (kind, subject, caller, caller_service, caller_version)
);

-- Since when every process that lives counts a subject. No row while one does not.
create table __schema__.deprecated_watch (
  kind text not null,
  subject text not null,
  since timestamptz not null,
  primary key (kind, subject)
);

-- A process says that it is there. One at a time, so that no two see the others as they were before.
-- p_now: null for the database's clock · p_gone_ms: the silence after which a process counts as gone · p_gap_ms: after
-- which, without any process, it is not known who served meanwhile · p_is_first: it has just started
create function __schema__.process_report(
  p_id text, p_silo text, p_host text, p_pid integer, p_version text, p_contract text, p_counted text[], p_now timestamptz,
  p_gone_ms double precision, p_gap_ms double precision, p_is_first boolean
) returns void
  language plpgsql volatile as $function$
declare
  now_at timestamptz;
begin
  lock table __schema__.deprecated_watch in share row exclusive mode;
  now_at := coalesce(p_now, clock_timestamp());
  if p_is_first and not exists (
    select from __schema__.process p where p.seen_at > now_at - p_gap_ms * interval '1 millisecond'
  ) then
    delete from __schema__.deprecated_watch;
  end if;
  insert into __schema__.process (id, silo, host, pid, version, contract, counted, started_at, seen_at)
    values (p_id, p_silo, p_host, p_pid, p_version, p_contract, p_counted, now_at, now_at)
    on conflict (id) do update set seen_at = excluded.seen_at, counted = excluded.counted;
  delete from __schema__.deprecated_watch w where exists (
    select from __schema__.process p
    where p.stopped_at is null and p.seen_at > now_at - p_gone_ms * interval '1 millisecond'
      and not format('%s %s', w.kind, w.subject) = any (p.counted)
  );
  insert into __schema__.deprecated_watch (kind, subject, since)
    select split_part(c.name, ' ', 1), substr(c.name, strpos(c.name, ' ') + 1), now_at from unnest(p_counted) as c (name)
    where not exists (
      select from __schema__.process p
      where p.stopped_at is null and p.seen_at > now_at - p_gone_ms * interval '1 millisecond' and not c.name = any (p.counted)
    )
    on conflict do nothing;
end
$function$;

-- Adds uses of one subject by one caller, the first and the last of which were p_first_ms and p_last_ms ago. A caller beyond
-- the first p_callers_max of a subject is counted as 'other'; writers that race may go beyond it by their number.
create function __schema__.deprecated_use_add(
  p_kind text, p_subject text, p_caller text, p_caller_service text, p_caller_version text, p_count bigint, p_now timestamptz,
  p_first_ms double precision, p_last_ms double precision, p_callers_max integer
) returns void
  language plpgsql volatile as $function$
declare
  now_at timestamptz := coalesce(p_now, clock_timestamp());
  first_at timestamptz := now_at - p_first_ms * interval '1 millisecond';
  last_at timestamptz := now_at - p_last_ms * interval '1 millisecond';
begin
  update __schema__.deprecated_use u
  set first_used_at = least(u.first_used_at, first_at), last_used_at = greatest(u.last_used_at, last_at),
    use_count = u.use_count + p_count
  where (u.kind, u.subject, u.caller, u.caller_service, u.caller_version)
    = (p_kind, p_subject, p_caller, p_caller_service, p_caller_version);
  if found then
    return;
  end if;
  if (select count(*) from __schema__.deprecated_use u where (u.kind, u.subject) = (p_kind, p_subject)) >= p_callers_max then
    p_caller := 'other';
    p_caller_service := 'other';
    p_caller_version := 'other';
  end if;
  insert into __schema__.deprecated_use as u
      (kind, subject, caller, caller_service, caller_version, first_used_at, last_used_at, use_count)
    values (p_kind, p_subject, p_caller, p_caller_service, p_caller_version, first_at, last_at, p_count)
    on conflict (kind, subject, caller, caller_service, caller_version) do update
    set first_used_at = least(u.first_used_at, excluded.first_used_at),
      last_used_at = greatest(u.last_used_at, excluded.last_used_at), use_count = u.use_count + excluded.use_count;
end
$function$;

-- Forgets what is old: uses that nobody may ask for any more, processes that are gone, beyond the newest p_gone_max at once.
create function __schema__.process_prune(
  p_now timestamptz, p_use_ms double precision, p_process_ms double precision, p_gone_ms double precision, p_gone_max integer
) returns void
  language plpgsql volatile as $function$
declare
  now_at timestamptz := coalesce(p_now, clock_timestamp());
begin
  delete from __schema__.deprecated_use where last_used_at < now_at - p_use_ms * interval '1 millisecond';
  delete from __schema__.process where seen_at < now_at - p_process_ms * interval '1 millisecond';
  delete from __schema__.process where id in (
    select p.id from __schema__.process p
    where p.stopped_at is not null or p.seen_at < now_at - p_gone_ms * interval '1 millisecond'
    order by p.seen_at desc offset p_gone_max
  );
end
$function$;
