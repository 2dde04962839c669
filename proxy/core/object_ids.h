// OIDs on their way between a client, who knows the canonical shard's, and a server.
#pragma once

#include <span>
#include <vector>

#include "base/bytes.h"
#include "schema/object_ids.h"

namespace howdah::proxy {

// In place: the OIDs of a RowDescription's or ParameterDescription's body become the canonical shard's.
// https://www.postgresql.org/docs/15/protocol-message-formats.html
void make_canonical(char type, char* body, std::size_t size, const schema::ObjectIds& ids);

// The types of a Parse as the server of `ids` (null: the canonical shard's) knows them; `room` holds them where they differ.
std::span<const Oid> types_here(std::span<const Oid> types, const schema::ObjectIds* ids, std::vector<Oid>& room);

}  // namespace howdah::proxy
