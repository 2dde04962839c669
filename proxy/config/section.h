// One description per key, from which files are read, defaults shown, reloads judged and the manual is
// written.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "proxy/config/reader.h"
#include "proxy/config/values.h"

namespace howdah::config {

enum class Effect : std::uint8_t {
  kReload,   // SIGHUP or RELOAD is enough
  kRestart,  // takes effect when Howdah starts
};

// T is the struct of the section that the key belongs to.
template <class T>
struct Field {
  std::string name;
  std::string type;    // for the manual: "integer", "duration", ...
  std::string bounds;  // for the manual; may be empty
  Effect effect = Effect::kReload;
  std::string doc;  // one sentence
  std::function<void(T&, Reader&, const Entry&)> read;
  std::function<std::string(const T&)> show;  // empty for a section of its own
  bool required = false;

  Field must() && {
    required = true;
    return std::move(*this);
  }
};

template <class T>
using Section = std::vector<Field<T>>;

// Reads a map into `out`, in the section's order (a later key may rest on an earlier one, wherever the file
// has them); keys that are unknown, given twice or missing are faults.
template <class T>
void read_section(Reader& reader, const Section<T>& section, const Entry& entry, T& out) {
  const auto entries = reader.take_map(entry);
  if (!entries) return;
  std::vector<std::string> known;
  for (const auto& field : section) known.push_back(field.name);
  for (const auto& item : *entries) {
    if (std::find(known.begin(), known.end(), item.key) == known.end()) reader.unknown_key(item, known);
  }
  for (const auto& field : section) {
    const auto item =
        std::find_if(entries->begin(), entries->end(), [&](const Entry& e) { return e.key == field.name; });
    if (item != entries->end()) {
      field.read(out, reader, *item);
    } else if (field.required) {
      reader.fault(entry.line,
                   (entry.path.empty() ? "" : entry.path + ": ") + "key \"" + field.name + "\" is missing");
    }
  }
}

inline std::string quoted(const std::string& text) {
  return "\"" + text + "\"";
}

template <class T>
Field<T> text_field(std::string name, std::string T::*member, Effect effect, std::string doc) {
  return {std::move(name),
          "text",
          "",
          effect,
          std::move(doc),
          [member](T& out, Reader& reader, const Entry& entry) {
            if (auto text = reader.take_text(entry)) out.*member = *text;
          },
          [member](const T& from) { return from.*member; }};
}

// A word of [a-z0-9_], at most 24 long: it becomes part of transaction ids.
bool is_short_name(const std::string& text);

template <class T>
Field<T> short_name_field(std::string name, std::string T::*member, Effect effect, std::string doc) {
  return {std::move(name),
          "name",
          "1 to 24 of a-z, 0-9, _",
          effect,
          std::move(doc),
          [member](T& out, Reader& reader, const Entry& entry) {
            const auto text = reader.take_text(entry);
            if (!text) return;
            if (!is_short_name(*text)) {
              reader.fault(entry.line,
                           entry.path + ": " + quoted(*text) + " must be 1 to 24 of a-z, 0-9 and _");
            }
            out.*member = *text;
          },
          [member](const T& from) { return from.*member; }};
}

template <class T>
Field<T> secret_field(std::string name, std::string T::*member, Effect effect, std::string doc) {
  return {std::move(name),
          "secret",
          "",
          effect,
          std::move(doc),
          [member](T& out, Reader& reader, const Entry& entry) {
            if (auto text = reader.take_secret(entry)) {
              if (text->empty()) reader.fault(entry.line, entry.path + " is empty");
              out.*member = *text;
            }
          },
          [member](const T& from) { return from.*member; }};
}

template <class T>
Field<T> boolean_field(std::string name, bool T::*member, Effect effect, std::string doc) {
  return {std::move(name),
          "boolean",
          "",
          effect,
          std::move(doc),
          [member](T& out, Reader& reader, const Entry& entry) {
            const auto text = reader.take_text(entry);
            if (!text) return;
            if (const auto value = parse_boolean(*text)) {
              out.*member = *value;
            } else {
              reader.fault(entry.line, entry.path + ": " + quoted(*text) + " is " + value.error().message);
            }
          },
          [member](const T& from) { return std::string(from.*member ? "true" : "false"); }};
}

// Stores a parsed number if it lies within the bounds, else reports it. `low` and `high` are as people write
// them.
template <class Int>
void store_bounded(Reader& reader, const Entry& entry, const std::string& text,
                   const Result<std::int64_t>& value, std::int64_t low, std::int64_t high,
                   const std::string& bounds, Int& out) {
  if (!value) {
    reader.fault(entry.line, entry.path + ": " + quoted(text) + " is " + value.error().message);
  } else if (*value < low || *value > high) {
    reader.fault(entry.line, entry.path + ": " + text + " is out of range (" + bounds + ")");
  } else {
    out = static_cast<Int>(*value);
  }
}

template <class T, class Int>
Field<T> integer_field(std::string name, Int T::*member, std::int64_t low, std::int64_t high, Effect effect,
                       std::string doc) {
  const std::string bounds = std::to_string(low) + " to " + std::to_string(high);
  return {std::move(name),
          "integer",
          bounds,
          effect,
          std::move(doc),
          [=](T& out, Reader& reader, const Entry& entry) {
            const auto text = reader.take_text(entry);
            if (text)
              store_bounded(reader, entry, *text, parse_integer(*text), low, high, bounds, out.*member);
          },
          [member](const T& from) { return std::to_string(from.*member); }};
}

template <class T, class Int>
Field<T> size_field(std::string name, Int T::*member, std::int64_t low, std::int64_t high, Effect effect,
                    std::string doc) {
  const std::string bounds = std::to_string(low) + " to " + std::to_string(high) + " bytes";
  return {std::move(name),
          "size",
          bounds,
          effect,
          std::move(doc),
          [=](T& out, Reader& reader, const Entry& entry) {
            const auto text = reader.take_text(entry);
            if (text) store_bounded(reader, entry, *text, parse_size(*text), low, high, bounds, out.*member);
          },
          [member](const T& from) { return std::to_string(from.*member); }};
}

// Rep is milliseconds or seconds; a value finer than Rep is a fault.
template <class T, class Rep>
Field<T> duration_field(std::string name, Rep T::*member, milliseconds low, milliseconds high, Effect effect,
                        std::string doc) {
  const std::string bounds = show_duration(low) + " to " + show_duration(high);
  return {std::move(name),
          "duration",
          bounds,
          effect,
          std::move(doc),
          [=](T& out, Reader& reader, const Entry& entry) {
            const auto text = reader.take_text(entry);
            if (!text) return;
            const auto value = parse_duration(*text);
            Result<std::int64_t> count = value ? Result<std::int64_t>(value->count()) : value.error();
            milliseconds checked{-1};
            std::int64_t stored = -1;
            store_bounded(reader, entry, *text, count, low.count(), high.count(), bounds, stored);
            if (stored < 0) return;
            checked = milliseconds(stored);
            const auto whole = std::chrono::duration_cast<Rep>(checked);
            if (whole != checked) {
              reader.fault(entry.line, entry.path + ": " + quoted(*text) + " must be whole seconds");
            } else {
              out.*member = whole;
            }
          },
          [member](const T& from) { return show_duration(from.*member); }};
}

template <class E>
using Choices = std::vector<std::pair<std::string, E>>;

template <class T, class E>
Field<T> choice_field(std::string name, E T::*member, Choices<E> choices, Effect effect, std::string doc) {
  std::string words;
  for (const auto& [word, value] : choices) words += (words.empty() ? "" : ", ") + word;
  return {std::move(name),
          "word",
          words,
          effect,
          std::move(doc),
          [=](T& out, Reader& reader, const Entry& entry) {
            const auto text = reader.take_text(entry);
            if (!text) return;
            for (const auto& [word, value] : choices) {
              if (word == *text) {
                out.*member = value;
                return;
              }
            }
            reader.fault(entry.line, entry.path + ": " + quoted(*text) + " is none of " + words);
          },
          [=](const T& from) {
            for (const auto& [word, value] : choices) {
              if (value == from.*member) return word;
            }
            return std::string();
          }};
}

// A key whose value is a section, list or map that `read` takes care of; it is described in a table of its
// own.
template <class T>
Field<T> nested_field(std::string name, std::string type, std::string doc,
                      std::function<void(T&, Reader&, const Entry&)> read) {
  return {std::move(name), std::move(type), "", Effect::kReload, std::move(doc), std::move(read), nullptr};
}

}  // namespace howdah::config
