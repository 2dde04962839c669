// Values as bytes that compare (memcmp) as PostgreSQL orders the values: what a merge of sorted streams compares.
//
//   sort key of a row = for each item of ORDER BY: one byte for NULL or not, then the value, all bits inverted when DESC
//
// Fixed-size values take their own size; all others end with a zero byte, so that a prefix sorts first.
// Order of types: https://www.postgresql.org/docs/15/datatype.html
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/ids.h"
#include "sharding/sort_types.h"

namespace howdah::sharding {

// Appends one value, as the server sent it in text or binary format, to `key`. False: the value is in no form that we read
// (a DateStyle other than ISO, for example). REQUIRES: is_sortable(type, ...).
bool append_sort_key(Oid type, bool binary, Bytes value, bool descending, std::string& key);
// The NULL byte; the value follows unless `is_null`.
void append_null_key(bool is_null, bool nulls_first, std::string& key);

}  // namespace howdah::sharding
