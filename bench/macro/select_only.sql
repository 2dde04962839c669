-- pgbench -S, as a file: with the built-in script pgbench first counts a table, which shards answer only together.
\set aid random(1, 100000 * :scale)
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
