// The parse tree as C++ sees it: owned by RAII, read through small helpers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "sharding/sql/pg_tree.h"

namespace howdah::sharding::sql {

// Deeper text is refused: our walkers recurse, and a thread of 512 KiB must hold them.
inline constexpr int kMaxTreeDepth = 300;

class ParsedTree {
 public:
  ParsedTree(const std::string& sql, bool standard_conforming_strings)
      : tree_(howdah_tree_parse(sql.c_str(), standard_conforming_strings, kMaxTreeDepth)) {}
  ~ParsedTree() { howdah_tree_free(&tree_); }
  ParsedTree(const ParsedTree&) = delete;
  ParsedTree& operator=(const ParsedTree&) = delete;
  const Tree* operator->() const { return &tree_; }
  // Forgets where its nodes stand, for a text that is not the client's.
  void forget_places() {
    for (std::uint32_t i = 0; i < tree_.count; ++i) forget(tree_.statements[i].node);
  }

 private:
  static void forget(TreeNode* node) {
    if (node == nullptr) return;
    node->location = -1;
    for (std::uint32_t i = 0; i < node->count; ++i) forget(node->kids[i]);
  }

  Tree tree_;
};

inline const TreeNode* kid(const TreeNode* node, std::uint32_t i) {
  return node != nullptr && i < node->count ? node->kids[i] : nullptr;
}
inline bool is(const TreeNode* node, TreeKind kind) {
  return node != nullptr && node->kind == kind;
}
inline bool has(const TreeNode* node, TreeFlag flag) {
  return (node->flags & flag) != 0;
}
inline std::string_view text_of(const TreeNode* node) {
  return node != nullptr && node->text != nullptr ? std::string_view(node->text) : std::string_view();
}
inline std::string_view qualifier_of(const TreeNode* node) {
  return node != nullptr && node->qualifier != nullptr ? std::string_view(node->qualifier)
                                                       : std::string_view();
}

// The kids of a node, or nothing of a null one: `for (const TreeNode* item : kids(list))`.
struct Kids {
  TreeNode* const* first = nullptr;
  TreeNode* const* last = nullptr;
  TreeNode* const* begin() const { return first; }
  TreeNode* const* end() const { return last; }
  std::size_t size() const { return static_cast<std::size_t>(last - first); }
  bool empty() const { return first == last; }
};
inline Kids kids(const TreeNode* node) {
  return node == nullptr || node->count == 0 ? Kids{} : Kids{node->kids, node->kids + node->count};
}

}  // namespace howdah::sharding::sql
