// Schema howdah: what Howdah keeps in each shard. Only databases with several shards have it.
#pragma once

namespace howdah::control {

// Grows with every change of the script; kept in howdah.cluster.schema_version.
inline constexpr int kSchemaVersion = 1;

// Creates the schema, owned by the current user. Run it in a transaction that holds the schema lock, in a
// database that has no schema howdah yet.
//
//   howdah.cluster      one row: who this database is, which map it holds (map_epoch) and the lowest epoch it
//   serves howdah.map          bucket -> shard name, and the epoch that put it there howdah.decisions
//   outcomes of distributed transactions whose commit point is this shard howdah.connections  server
//   connections of proxies and the epoch they were stamped with; lost in a crash, as they are howdah.stamp()
//   a connection says who it believes to talk to: ZH002 wrong server, ZH001 map too old howdah.decide()
//   inside a transaction: if it commits, the distributed transaction has committed
extern const char* const kSchemaSql;

// Serializes installation and map changes of concurrent proxies, within one transaction.
extern const char* const kSchemaLockSql;

}  // namespace howdah::control
