// OIDs on their way between a client, who knows the canonical shard's, and a server.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "schema/object_ids.h"

namespace howdah::proxy {

// In place: the OIDs of a RowDescription's or ParameterDescription's body become the canonical shard's.
// https://www.postgresql.org/docs/15/protocol-message-formats.html
void make_canonical(char type, char* body, std::size_t size, const schema::ObjectIds& ids);

namespace ids {

// A column of a result whose binary values have OIDs in them.
struct Column {
  std::uint16_t index = 0;
  Oid type = 0;  // the server's
};

// Those of a RowDescription's body, as the server sent it, that come in binary format.
// False: there is a type among them of which nothing is known yet.
bool read_columns(const char* body, std::size_t size, const schema::ObjectIds& ids, std::vector<Column>& out);
// In place: the OIDs inside of the values of a DataRow become the canonical shard's. False: a value is not what its type says.
bool make_row_canonical(char* body, std::size_t size, std::span<const Column> columns, const schema::ObjectIds& ids);
// In place, the other way: the parameters of a Bind, `tail` being its message from behind the names on. Their types are those of `types`, by the
// client's numbers, or of `described` where these are 0. The refusal, where it takes the type of a parameter to know.
std::optional<Error> make_bind_local(char* tail, std::size_t size, std::span<const Oid> types, std::span<const Oid> described, const schema::ObjectIds& ids);

}  // namespace ids

// The types of a Parse as the server of `ids` (null: the canonical shard's) knows them; `room` holds them where they differ.
std::span<const Oid> types_here(std::span<const Oid> types, const schema::ObjectIds* ids, std::vector<Oid>& room);

}  // namespace howdah::proxy
