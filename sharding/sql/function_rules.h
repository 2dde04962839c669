// Which functions of users may run over several shards: the `sharding.functions` section of the configuration.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "schema/catalog.h"
#include "sharding/rules.h"

namespace howdah::sharding::sql {

// True if all overloads that `function` stands for are declared shard_local; aggregates cannot be.
bool is_shard_local(const Rules& rules, const schema::Function& function);

// Argument types as PostgreSQL shows them: "(INT8,text )" is "(bigint, text)".
std::string argument_list(std::string_view written);

// What the rules declare and the database has not, as written in the configuration.
std::vector<std::string> unknown_functions(const Rules& rules, const schema::Catalog& catalog);

}  // namespace howdah::sharding::sql
