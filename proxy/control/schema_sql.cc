#include "proxy/control/schema_sql.h"

namespace howdah::control {

const char* const kSchemaLockSql = "SELECT pg_advisory_xact_lock(hashtextextended('howdah.schema', 0))";

// stamp() locks the identity row FOR SHARE: a fence that raises min_epoch waits for stamps under way, so that
// each is either refused or seen in the registry. On a replica nothing can be written: there it only checks.
const char* const kSchemaSql = R"sql(
CREATE SCHEMA howdah;

CREATE TABLE howdah.cluster (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  schema_version int NOT NULL,
  cluster text NOT NULL,
  shard text NOT NULL,
  buckets int NOT NULL,
  hash text NOT NULL,
  map_epoch bigint NOT NULL,
  min_epoch bigint NOT NULL DEFAULT 0,
  complete boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN howdah.cluster.complete IS 'every shard is known to hold the map';

CREATE TABLE howdah.map (
  bucket int PRIMARY KEY,
  shard text NOT NULL,
  epoch bigint NOT NULL
);

CREATE TABLE howdah.decisions (
  token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
  outcome text NOT NULL CHECK (outcome IN ('commit', 'abort')),
  participants text[] NOT NULL,
  decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  checked_at timestamptz
);

CREATE UNLOGGED TABLE howdah.connections (
  pid int PRIMARY KEY,
  backend_start timestamptz NOT NULL,
  proxy text NOT NULL,
  epoch bigint NOT NULL
);

CREATE FUNCTION howdah.stamp(cluster text, shard text, proxy text, epoch bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
  identity howdah.cluster%ROWTYPE;
BEGIN
  IF pg_is_in_recovery() THEN
    SELECT * INTO identity FROM howdah.cluster;
  ELSE
    SELECT * INTO identity FROM howdah.cluster FOR SHARE;
  END IF;
  IF identity.cluster IS DISTINCT FROM stamp.cluster OR identity.shard IS DISTINCT FROM stamp.shard THEN
    RAISE EXCEPTION 'this server is shard % of cluster %, not shard % of cluster %',
      identity.shard, identity.cluster, stamp.shard, stamp.cluster USING ERRCODE = 'ZH002';
  END IF;
  IF stamp.epoch < identity.min_epoch THEN
    RAISE EXCEPTION 'shard map epoch % is fenced off, the lowest is %', stamp.epoch, identity.min_epoch
      USING ERRCODE = 'ZH001';
  END IF;
  IF NOT pg_is_in_recovery() THEN
    INSERT INTO howdah.connections AS registry (pid, backend_start, proxy, epoch)
    SELECT pg_backend_pid(), activity.backend_start, stamp.proxy, stamp.epoch
    FROM pg_stat_get_activity(pg_backend_pid()) AS activity
    ON CONFLICT ON CONSTRAINT connections_pkey DO UPDATE
    SET backend_start = excluded.backend_start, proxy = excluded.proxy, epoch = excluded.epoch;
  END IF;
END
$body$;

CREATE FUNCTION howdah.decide(token bytea, participants text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
  IF octet_length(decide.token) IS DISTINCT FROM 16 THEN
    RAISE EXCEPTION 'a token has 16 bytes' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  INSERT INTO howdah.decisions (token_hash, outcome, participants, decided_at)
  VALUES (sha256(decide.token), 'commit', decide.participants, clock_timestamp());
END
$body$;

REVOKE ALL ON ALL TABLES IN SCHEMA howdah FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA howdah FROM PUBLIC;
GRANT USAGE ON SCHEMA howdah TO PUBLIC;
GRANT EXECUTE ON FUNCTION howdah.stamp(text, text, text, bigint) TO PUBLIC;
GRANT EXECUTE ON FUNCTION howdah.decide(bytea, text[]) TO PUBLIC;
)sql";

}  // namespace howdah::control
