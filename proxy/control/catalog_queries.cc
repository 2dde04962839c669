#include "proxy/control/catalog_queries.h"

namespace howdah::control {

const char* const kCatalogBegin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
const char* const kCatalogEnd = "COMMIT";

// Object ids from 16384 on are users' (FirstNormalObjectId); information_schema's views have lower ones.
// https://www.postgresql.org/docs/15/catalogs.html
const std::array<const char*, kCatalogQueries> kCatalogSql = {
    // kFingerprintQuery
    R"sql(
WITH relation AS MATERIALIZED (
  SELECT c.oid, c.xmin FROM pg_class c
  WHERE c.oid >= 16384 AND c.relpersistence <> 't' AND c.relkind <> 't'
), marks (kind, id, sub, version) AS (
  SELECT 1, oid::bigint, 0, xmin FROM relation
  UNION ALL SELECT 2, a.attrelid::bigint, a.attnum::int, a.xmin FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid
  UNION ALL SELECT 3, i.indexrelid::bigint, 0, i.xmin FROM relation r JOIN pg_index i ON i.indexrelid = r.oid
  UNION ALL SELECT 4, oid::bigint, 0, xmin FROM pg_proc WHERE oid >= 16384
  UNION ALL SELECT 5, oid::bigint, 0, xmin FROM pg_trigger WHERE NOT tgisinternal
  UNION ALL SELECT 6, w.oid::bigint, 0, w.xmin FROM relation r JOIN pg_rewrite w ON w.ev_class = r.oid
  UNION ALL SELECT 7, h.inhrelid::bigint, h.inhparent::int, h.xmin FROM relation r JOIN pg_inherits h ON h.inhrelid = r.oid
  UNION ALL SELECT 8, oid::bigint, 0, xmin FROM pg_type WHERE oid >= 16384 AND typtype = 'd'
  UNION ALL SELECT 9, oid::bigint, 0, xmin FROM pg_namespace
            WHERE oid >= 16384 AND nspname !~ '^pg_(toast_)?temp_'
  UNION ALL SELECT 10, oid::bigint, 0, xmin FROM pg_collation WHERE oid >= 16384
  UNION ALL SELECT 11, oid::bigint, 0, xmin FROM pg_constraint WHERE contype = 'f'
)
SELECT count(*) || '/' || coalesce(sum(
  hashint8extended(id, kind * 4294967296 + sub) # hashint8extended(version::text::bigint, kind)), 0) FROM marks
)sql",
    // kSchemasQuery: also whether all text is ordered by its bytes, glibc's C.UTF-8 included (100: default, 950: C, 951: POSIX)
    R"sql(
SELECT nspname,
       (SELECT datlocprovider = 'c' AND datcollate IN ('C', 'POSIX', 'C.UTF-8', 'C.utf8') FROM pg_database WHERE datname = current_database())
         AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid >= 16384 AND attcollation NOT IN (0, 100, 950, 951))
FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp)'
)sql",
    // kDomainsQuery
    "SELECT oid, typbasetype, typdefault IS NOT NULL FROM pg_type WHERE typtype = 'd'",
    // kRelationsQuery: a view's own _RETURN rule and the internal triggers of foreign keys do not count
    R"sql(
SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence,
       coalesce(h.parent, 0), coalesce(h.parents, 0),
       EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal),
       c.relhasrules AND EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = c.oid AND w.rulename <> '_RETURN'),
       c.relrowsecurity,
       c.relkind IN ('r', 'f') AND c.relhassubclass
         AND EXISTS (SELECT FROM pg_inherits children WHERE children.inhparent = c.oid),
       EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.confrelid = c.oid)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN (SELECT inhrelid, min(inhparent::bigint) AS parent, count(*) AS parents FROM pg_inherits GROUP BY 1) h
  ON h.inhrelid = c.oid
WHERE c.relkind <> 't' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_(toast|temp)'
  AND (c.oid >= 16384 OR c.relkind IN ('r', 'v'))
)sql",
    // kColumnsQuery: expressions are shown with names that no search path is needed for; the last column is Column::portable: a
    // composite, an array or a range of users' types has their OIDs in it, and reg... (regproc to regtype, ...) are OIDs
    R"sql(
WITH path AS MATERIALIZED (SELECT set_config('search_path', 'pg_catalog', true) AS set)
SELECT a.attrelid, a.attname, a.atttypid, a.attnotnull,
       a.atthasdef OR a.attidentity <> '' OR a.attgenerated <> '',
       coalesce(o.collisdeterministic, true), a.attgenerated <> '', a.attidentity = 'a',
       CASE WHEN path.set IS NULL OR a.attgenerated <> '' THEN ''
            WHEN a.attidentity <> '' THEN
              format('nextval(%L::regclass)', pg_get_serial_sequence(format('%I.%I', n.nspname, c.relname), a.attname))
            ELSE coalesce(pg_get_expr(d.adbin, d.adrelid), '') END,
       a.attcollation NOT IN (0, 100),
       t.typsend <> 0 AND t.typreceive <> 0
         AND t.oid NOT IN (24, 2202, 2203, 2204, 2205, 2206, 3734, 3769, 4089, 4096, 4191)
         AND (t.typtype IN ('b', 'e') OR t.typtype IN ('r', 'm') AND t.oid < 16384)
         AND (t.typelem = 0 OR t.typelem < 16384 AND t.typelem NOT IN (24, 2202, 2203, 2204, 2205, 2206, 3734, 3769, 4089, 4096, 4191, 1033))
FROM path
CROSS JOIN pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid
JOIN pg_type own ON own.oid = a.atttypid
JOIN pg_type t ON t.oid = CASE own.typtype WHEN 'd' THEN own.typbasetype ELSE own.oid END
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_collation o ON o.oid = a.attcollation
WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't'
  AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
)sql",
    // kUniqueKeysQuery
    R"sql(
SELECT i.indrelid, i.indexrelid, a.attname
FROM pg_index i
CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS key (attnum, position)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = key.attnum
WHERE i.indrelid >= 16384 AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL
  AND key.position <= i.indnkeyatts AND i.indexprs IS NULL
ORDER BY i.indrelid, i.indexrelid, key.position
)sql",
    // kFunctionsQuery: the letters of volatility are in the order of harm, i < s < v
    R"sql(
SELECT n.nspname, p.proname, max(p.provolatile::text COLLATE "C"),
       bool_and(p.pronamespace = 'pg_catalog'::regnamespace AND p.oid < 16384),
       bool_or(p.prokind = 'a'), bool_or(p.proretset),
       bool_or(p.oid >= 16384 AND p.prosrc ~* 'set_config\s*\(\s*[^''\s]'),
       coalesce(string_agg('(' || oidvectortypes(p.proargtypes) || ')', E'\n' ORDER BY p.oid) FILTER (WHERE p.oid >= 16384), '')
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
GROUP BY 1, 2
)sql",
    // kCodeStateQuery: one row; functions in C are extensions' and keep to themselves
    R"sql(
WITH code AS MATERIALIZED (
  SELECT p.oid, CASE WHEN p.prosqlbody IS NULL THEN p.prosrc ELSE pg_get_functiondef(p.oid) END AS text
  FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
  WHERE p.oid >= 16384 AND l.lanname NOT IN ('internal', 'c')
), judged AS MATERIALIZED (
  SELECT oid, text,
         text ~* 'set_config|(^|;|''|"|\$\$|\m(begin|then|else|loop|execute))\s*(set|reset|discard)\s' AS settings,
         text ~* 'advisory_(un)?lock' AS locks,
         text ~* '\m(temp|temporary|pg_temp)\M' AS temporary,
         text ~* '\mhold\M' AS cursors
  FROM code
)
SELECT coalesce(bool_or(settings), false), coalesce(bool_or(locks), false), coalesce(bool_or(temporary), false),
       coalesce(bool_or(cursors), false),
       coalesce(bool_or((settings OR locks OR temporary OR cursors)
                        AND oid IN (SELECT tgfoid FROM pg_trigger WHERE NOT tgisinternal)), false),
       (SELECT coalesce(string_agg(DISTINCT lower(found.match[1]), E'\n'), '')
        FROM judged j, LATERAL (
          SELECT regexp_matches(j.text, 'set_config\s*\(\s*''+([^'']+)''', 'gi')
          UNION ALL
          SELECT regexp_matches(j.text, '\m(?:set|reset)\s+(?:session\s+)?([a-z_][a-z0-9_$]*(?:\.[a-z0-9_$]+)+)', 'gi')
        ) AS found (match) WHERE j.settings)
FROM judged
)sql",
    // kViewsQuery, the last one: names that the search_path finds would be left unqualified
    R"sql(
WITH path AS MATERIALIZED (SELECT set_config('search_path', 'pg_catalog', true) AS path)
SELECT c.oid, pg_get_viewdef(c.oid)
FROM path, pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE path = 'pg_catalog' AND c.oid >= 16384 AND c.relkind = 'v' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_(toast|temp)'
)sql",
};

}  // namespace howdah::control
