-- Ids that are unique over all cells, 53 bits: (v << 10) | cell number, where v (43 bits) is taken from this sequence.
-- v is (seconds since 2025-01-01 UTC) << 12 | counter, and only ever grows: when more than 4096 ids a second are taken,
-- or the clock goes back, the sequence runs ahead of the clock. __schema__ and __lock__ are replaced before the file runs.
create sequence __schema__.snowflake_sequence as bigint minvalue 1 maxvalue 8796093022207 no cycle;

-- Once the sequence is two seconds behind the clock, one caller at a time moves it up. The advisory lock is one of the
-- session, freed at once: one of the transaction would make every caller wait for the end of the slowest transaction.
-- It is freed on any error, cancellation included. A caller that lost the race only takes a later value.
create function __schema__.next_snowflake(cell_number int) returns bigint
  language plpgsql volatile as $function$
declare
  v bigint;
  second_now bigint := floor(extract(epoch from clock_timestamp()))::bigint - 1735689600;
begin
  if cell_number is null or cell_number < 0 or cell_number > 1023 then
    raise exception 'cell number % is not one of 0 to 1023', cell_number using errcode = 'invalid_parameter_value';
  end if;
  v := nextval('__schema__.snowflake_sequence');
  if (v >> 12) + 2 <= second_now then
    begin
      perform pg_advisory_lock(__lock__);
      select last_value into v from __schema__.snowflake_sequence;
      if (v >> 12) + 2 <= second_now then
        perform setval('__schema__.snowflake_sequence', second_now << 12);
      end if;
      v := nextval('__schema__.snowflake_sequence');
      perform pg_advisory_unlock(__lock__);
    exception when others or query_canceled then
      perform pg_advisory_unlock(__lock__);
      raise;
    end;
  end if;
  return (v << 10) | cell_number;
end
$function$;
