#include "sharding/sequence_split.h"

namespace howdah::sharding {

namespace {

// Transactions that are younger than this one may have their sequences looked at, too: that changes nothing they would not change.
constexpr const char* kBody = R"sql(
DECLARE
  s record;
  span bigint;
  base bigint;
  last bigint;
  called boolean;
BEGIN
  IF shard >= 64 THEN
    RAISE EXCEPTION 'sequences are not supported on more than 64 shards' USING ERRCODE = '0A000';
  END IF;
  FOR s IN
    SELECT c.oid, c.relname, q.seqtypid, q.seqstart, q.seqincrement, q.seqmin, q.seqmax,
           pg_catalog.format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_catalog.pg_sequence q
    JOIN pg_catalog.pg_class c ON c.oid = q.seqrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relpersistence <> 't'
      AND (pg_catalog.age(q.xmin) <= 0 OR pg_catalog.age(q.xmin) <= pg_catalog.age((pg_catalog.txid_current() % 4294967296)::text::xid))
      AND pg_catalog.pg_has_role(c.relowner, 'USAGE')
  LOOP
    span := CASE s.seqtypid WHEN 20 THEN 140737488355328 WHEN 23 THEN 33554432 ELSE 512 END;
    base := span * shard;
    CONTINUE WHEN s.seqincrement > 0 AND s.seqmin > base AND s.seqmax < base + span;
    IF s.seqincrement > 0 AND s.seqmin > base AND s.seqmin < base + span THEN
      EXECUTE pg_catalog.format('ALTER SEQUENCE %s MAXVALUE %s', s.name, base + span - 1);
      CONTINUE;
    END IF;
    IF s.seqincrement < 0 OR s.seqmin < 1 OR s.seqmin >= span OR s.seqstart >= span THEN
      RAISE EXCEPTION 'sequence % is not supported over several shards', s.relname
        USING ERRCODE = '0A000', DETAIL = pg_catalog.format('Each shard has %s of its values.', span),
              HINT = 'Let it count upwards from a number between 1 and that.';
    END IF;
    EXECUTE 'SELECT last_value, is_called FROM ' || s.name INTO last, called;
    EXECUTE pg_catalog.format('ALTER SEQUENCE %s MINVALUE %s MAXVALUE %s START WITH %s RESTART WITH %s', s.name,
      base + s.seqmin, base + least(s.seqmax, span - 1), base + s.seqstart,
      least(base + span - 1, base + least(last, span - 1) + CASE WHEN called THEN s.seqincrement ELSE 0 END));
  END LOOP;
END)sql";

}  // namespace

std::string split_sequences(std::size_t shard) {
  std::string body = kBody;
  body.replace(body.find("DECLARE") + 7, 0, "\n  shard CONSTANT bigint := " + std::to_string(shard) + ";");
  return "DO $howdah$" + body + " $howdah$";
}

}  // namespace howdah::sharding
