// Elements of a one-dimensional array value, as array_in and array_recv read it.
// Source: https://www.postgresql.org/docs/15/arrays.html#ARRAYS-IO
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/ids.h"

namespace howdah::sharding {

enum class ArrayStep : std::uint8_t {
  kElement,  // see value() and is_null()
  kEnd,
  kMalformed,   // the server refuses it
  kUnreadable,  // more dimensions, lower bounds: legal, but not read here
};

// Walks over '{1,2,"x",NULL}'. Borrowed text.
class TextArray {
 public:
  explicit TextArray(Bytes text) : text_(text) {}
  ArrayStep next();
  const std::string& value() const { return value_; }  // of the last element; overwritten by next()
  bool is_null() const { return null_; }

 private:
  ArrayStep element();
  void skip_space();

  Bytes text_;
  std::string value_;
  bool null_ = false;
  bool started_ = false;
};

// Walks over array_send's format.
class BinaryArray {
 public:
  explicit BinaryArray(Bytes bytes) : reader_(bytes) {}
  ArrayStep next();
  Bytes value() const { return value_; }
  bool is_null() const { return null_; }
  Oid element_type() const { return type_; }  // after the first next()

 private:
  ArrayStep header();

  ByteReader reader_;
  Bytes value_;
  Oid type_ = 0;
  std::int32_t left_ = 0;
  bool null_ = false;
  bool started_ = false;
};

}  // namespace howdah::sharding
