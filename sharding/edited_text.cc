#include "sharding/edited_text.h"

#include <algorithm>

#include "drivers/pgwire/error_fields.h"

namespace howdah::sharding {

EditedText::EditedText(std::string_view client, std::vector<Edit> edits) {
  std::stable_sort(edits.begin(), edits.end(), [](const Edit& a, const Edit& b) { return a.begin < b.begin; });
  std::uint32_t at = 0;
  int from = 0;
  for (const Edit& edit : edits) {
    const auto before = client.substr(at, edit.begin - at);
    add(before, from, false);
    from += pgwire::characters(before);
    add(edit.text, from, true);
    from += pgwire::characters(client.substr(edit.begin, edit.end - edit.begin));
    at = edit.end;
  }
  add(client.substr(at), from, false);
}

void EditedText::add(std::string_view piece, int from, bool inserted) {
  const int size = pgwire::characters(piece);
  pieces_.push_back({length_, length_ + size, from, inserted});
  length_ += size;
  text_.append(piece);
}

int EditedText::client_position(int position) const {
  if (position <= 0) return position;
  const int at = position - 1;
  for (const Piece& piece : pieces_) {
    if (at < piece.end) return (piece.inserted ? piece.from : piece.from + at - piece.begin) + 1;
  }
  return pieces_.back().from + at - pieces_.back().begin + 1;
}

}  // namespace howdah::sharding
