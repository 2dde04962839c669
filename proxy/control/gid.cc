#include "proxy/control/gid.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace howdah::control {

namespace {

constexpr std::string_view kTag = "howdah1";
constexpr std::size_t kFields = 6;

bool is_token_hash(std::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

// Nothing unless there are exactly kFields fields.
std::optional<std::array<std::string_view, kFields>> split(std::string_view text) {
  std::array<std::string_view, kFields> fields;
  for (std::size_t i = 0; i < kFields; ++i) {
    auto colon = text.find(':');
    if ((colon == std::string_view::npos) != (i + 1 == kFields)) return std::nullopt;
    fields[i] = text.substr(0, colon);
    if (fields[i].empty()) return std::nullopt;
    text.remove_prefix(colon == std::string_view::npos ? text.size() : colon + 1);
  }
  return fields;
}

}  // namespace

std::string gid_prefix(std::string_view cluster) {
  return std::string(kTag) + ':' + std::string(cluster) + ':';
}

std::string Gid::to_string() const {
  return gid_prefix(cluster) + participant + ':' + commit_point + ':' + std::to_string(epoch.value()) + ':' +
         token_hash;
}

std::optional<Gid> parse_gid(std::string_view text) {
  auto fields = split(text);
  if (!fields) return std::nullopt;
  const auto& [tag, cluster, participant, commit_point, epoch_text, token_hash] = *fields;
  std::uint64_t epoch = 0;
  auto [end, ec] = std::from_chars(epoch_text.data(), epoch_text.data() + epoch_text.size(), epoch);
  if (tag != kTag || ec != std::errc{} || end != epoch_text.data() + epoch_text.size()) return std::nullopt;
  if (!is_token_hash(token_hash)) return std::nullopt;
  Gid gid{std::string(cluster), std::string(participant), std::string(commit_point), Epoch(epoch),
          std::string(token_hash)};
  if (gid.to_string() != text) return std::nullopt;  // "007" is no epoch of ours
  return gid;
}

}  // namespace howdah::control
