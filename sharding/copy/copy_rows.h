// The data of COPY FROM STDIN, cut into rows: each as it came, with the value of its sharding key.
//
//   text    1<TAB>ann\n        fields by delimiter, backslash escapes, \N is NULL, \. ends the data
//   CSV     1,"a ""b"", c"\n   quotes may hold delimiters and line ends
//   binary  signature, flags, extension; per row int16 fields, per field int32 length and bytes; int16 -1 ends it
//
// Lines end as the first one does: LF, CR or CRLF. Read exactly as PostgreSQL reads it:
// https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/commands/copyfromparse.c
// Sans-io: feed() what came, then take rows until there are no more.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"

namespace howdah::sharding {

enum class CopyKind : std::uint8_t { kText, kCsv, kBinary };

struct CopyFormat {
  CopyKind kind = CopyKind::kText;
  char delimiter = '\t';
  std::string null = "\\N";
  char quote = '"';
  char escape = '"';
  bool header = false;
  static constexpr std::size_t kNoKey = static_cast<std::size_t>(-1);
  std::size_t key = kNoKey;          // position of the key among the columns that are copied
  std::vector<std::size_t> clocks;   // ... of columns in which a text such as 'now' may be a time, ascending
  bool operator==(const CopyFormat&) const = default;
};

struct CopyRow {
  enum class Kind : std::uint8_t {
    kRow,
    kForAll,   // the header line, or what begins and ends binary data: every shard gets it
  };
  Kind kind = Kind::kRow;
  Bytes bytes;                  // valid until the next call; the line end included
  std::string_view ending;      // to be added behind, where the row ended with \.
  bool has_key = false;         // false: the row is one that the server refuses
  bool key_is_null = false;
  Bytes key;                    // as its input (binary: receive) function reads it
  bool names_the_present = false;
  std::uint64_t line = 0;       // of the client's data, of its end; binary: the row's number
  std::uint32_t lines = 1;      // that it has
};

class CopyRows {
 public:
  explicit CopyRows(CopyFormat format) : format_(std::move(format)) {}

  void feed(Bytes bytes);
  // The data ended. What is left of it is a row, too.
  void finish() { finished_ = true; }
  // The next whole row. False: none yet, or no more, or a fault.
  bool next(CopyRow& row);
  // A fault of the data that PostgreSQL reports (22P04), and its line.
  const Error* fault() const { return faulty_ ? &fault_ : nullptr; }
  std::uint64_t line() const { return lines_; }

 private:
  enum class Eol : std::uint8_t { kUnknown, kNl, kCr, kCrNl };
  enum class Step : std::uint8_t { kMore, kLine, kEnd, kEndOfData };
  enum class Marker : std::uint8_t { kMore, kNone, kEnd, kFault };

  bool next_line(CopyRow& row);
  Step scan();
  Step carriage_return();
  Marker end_marker();
  void take_fields(Bytes line, CopyRow& row);
  std::size_t text_field(Bytes line, std::size_t at, std::string& value, bool& null) const;
  std::size_t csv_field(Bytes line, std::size_t at, std::string& value, bool& null, bool& closed) const;
  bool next_binary(CopyRow& row);
  bool binary_header(CopyRow& row);
  bool give_rest(CopyRow& row);
  Step fail(const char* message);
  char at(std::size_t i) const { return i < buffer_.size() ? buffer_[i] : '\0'; }
  bool runs_out(std::size_t bytes) const { return scan_ + bytes >= buffer_.size(); }

  CopyFormat format_;
  std::string buffer_;
  std::size_t begin_ = 0;        // of the row at hand
  std::size_t scan_ = 0;         // what is before has been looked at
  std::size_t line_end_ = 0;     // of the line that scan() found, without its end
  bool finished_ = false;
  bool ended_ = false;           // by \. or the binary trailer
  bool faulty_ = false;
  bool in_quote_ = false;
  bool last_was_escape_ = false;
  bool first_in_line_ = true;
  bool begun_ = false;           // the header is read
  bool lost_ = false;            // binary data that makes no sense: all of it is one server's to refuse
  Eol eol_ = Eol::kUnknown;
  std::uint64_t lines_ = 0;
  std::uint64_t line_before_ = 0;
  std::string key_, other_;
  Error fault_;
};

}  // namespace howdah::sharding
