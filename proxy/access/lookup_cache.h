// Answers to look-ups by name that count for a while. Pure: the time is an argument.
#pragma once

#include <list>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/clock.h"

namespace howdah::access {

// Names that exist and names that do not are bounded apart, so that guessing names pushes no real one out. The oldest
// answers go first. `Value` is a pointer; null stands for "there is no such name".
template <class Value>
class LookupCache {
 public:
  LookupCache(std::size_t most_found, std::size_t most_missing) : most_{most_missing, most_found} {}

  struct Answer {
    Value value;
    SteadyTime asked;
  };

  // The answer, unless it is older than `max_age`.
  std::optional<Answer> find(const std::string& name, SteadyTime now, Duration max_age) const {
    const auto found = by_name_.find(name);
    if (found == by_name_.end() || now - found->second.answer.asked >= max_age) return std::nullopt;
    return found->second.answer;
  }

  void keep(const std::string& name, Value value, SteadyTime now) {
    forget(name);
    auto& order = order_[value != nullptr];
    order.push_back(name);
    by_name_.emplace(name, Entry{{std::move(value), now}, std::prev(order.end())});
    if (order.size() > most_[&order - order_]) forget(std::string(order.front()));
  }

  void forget(const std::string& name) {
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) return;
    order_[found->second.answer.value != nullptr].erase(found->second.at);
    by_name_.erase(found);
  }

  std::size_t size() const { return by_name_.size(); }

 private:
  struct Entry {
    Answer answer;
    std::list<std::string>::iterator at;
  };
  const std::size_t most_[2];
  std::list<std::string> order_[2];  // oldest first: missing, found
  std::unordered_map<std::string, Entry> by_name_;
};

}  // namespace howdah::access
