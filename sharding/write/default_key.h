// An INSERT whose keys are the default of their column, with the values that one shard gave for it.
//
//   INSERT INTO users (name) VALUES ('a'), ('b')
//   INSERT INTO users (name, "id") VALUES ('a', '17'), ('b', '18')
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "sharding/edited_text.h"
#include "sharding/sql/lexer.h"
#include "sharding/sql/plan.h"

namespace howdah::sharding {

// `keys`: one for each row. kUnsupported when the places are not found.
Result<std::vector<Edit>> key_edits(std::string_view sql, const sql::KeyDefault& key, std::span<const std::string> keys,
                                    const sql::LexerOptions& options);

}  // namespace howdah::sharding
