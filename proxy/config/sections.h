// The tables of keys, one per struct of config.h.
#pragma once

#include "proxy/config/section.h"

namespace howdah::config {

const Section<Config>& top_section();
const Section<Listen>& listen_section();
const Section<Tls>& tls_section();
const Section<UnixSocket>& unix_socket_section();
const Section<Hba>& hba_section();
const Section<AuthQuery>& auth_query_section();
const Section<Http>& http_section();
const Section<Pool>& pool_section();
const Section<Limits>& limits_section();
const Section<Restart>& restart_section();
const Section<Logging>& logging_section();
const Section<User>& user_section();
const Section<Database>& database_section();
const Section<Account>& account_section();
const Section<Overrides>& overrides_section();
const Section<Shard>& shard_section();
// sections_guards.cc
const Section<RateLimit>& rate_limit_section();
const Section<Block>& block_section();
const Section<Breaker>& breaker_section();

// The section `sharding`: its table rules name shards, which are read before it.
struct Sharding : sharding::Rules {
  const std::vector<Shard>* known_shards = nullptr;
};
const Section<Sharding>& sharding_section();

// What single keys cannot see: names given twice, accounts and files that are missing. Reported at the
// entry's line.
void read_tls(Listen& listen, Reader& reader, const Entry& entry);
void read_unix_socket(Listen& listen, Reader& reader, const Entry& entry);
void read_hba(Config& config, Reader& reader, const Entry& entry);
void read_users_file(Config& config, Reader& reader, const Entry& entry);
void read_auth_query(Database& database, Reader& reader, const Entry& entry);
// The ssl* keywords of a server: files are found and readable, and what belongs together is there.
void check_server_tls(ServerTls& tls, Reader& reader, const Entry& entry);
// Once all is read: who can log in at all, and which access rules can never fit.
void check_access(const Config& config, Reader& reader);
void read_users(Config& config, Reader& reader, const Entry& entry);
void read_rate_limits(Config& config, Reader& reader, const Entry& entry);
void read_blocks(Config& config, Reader& reader, const Entry& entry);
void read_databases(Config& config, Reader& reader, const Entry& entry);
void read_shards(Database& database, Reader& reader, const Entry& entry);
void read_tables(Sharding& rules, Reader& reader, const Entry& entry);
void read_functions(Sharding& rules, Reader& reader, const Entry& entry);

}  // namespace howdah::config
