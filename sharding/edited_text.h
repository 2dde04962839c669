// A client's statement with some of it replaced, and the way back for positions in error messages.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace howdah::sharding {

// Bytes [begin, end) of the client's text give way to `text`.
struct Edit {
  std::uint32_t begin = 0, end = 0;
  std::string text;
};

class EditedText {
 public:
  // `edits` in any order; they do not overlap.
  EditedText(std::string_view client, std::vector<Edit> edits);

  const std::string& text() const { return text_; }
  // Where the character at `position` (from 1) of text() stands in the client's; 0 stays 0.
  int client_position(int position) const;

 private:
  struct Piece {
    int begin = 0, end = 0;  // characters of text(), from 0, that stand for ...
    int from = 0;            // ... those from here on; of what was put in: for this one
    bool inserted = false;
  };
  void add(std::string_view piece, int from, bool inserted);

  std::string text_;
  std::vector<Piece> pieces_;
  int length_ = 0;
};

}  // namespace howdah::sharding
