#include "proxy/config/yaml_shape.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <sstream>

namespace howdah::config {
namespace {

constexpr std::size_t kMaxDepth = 32;

// Follows the parser through one document; keeps the anchors of the maps and lists that are still open.
class ShapeCheck : public YAML::EventHandler {
 public:
  explicit ShapeCheck(const std::string& file) : file_(file) {}
  std::vector<Fault> faults;
  int line = 0;  // where the document starts, from 1

  void OnDocumentStart(const YAML::Mark& mark) override { line = mark.line + 1; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (std::find(open_.begin(), open_.end(), anchor) != open_.end())
      report(mark, "an alias stands for a value that contains it");
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    enter(mark, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    enter(mark, anchor);
  }
  void OnSequenceEnd() override { open_.pop_back(); }
  void OnMapEnd() override { open_.pop_back(); }

 private:
  void enter(const YAML::Mark& mark, YAML::anchor_t anchor) {
    open_.push_back(anchor);
    if (open_.size() == kMaxDepth + 1) report(mark, "nested too deeply");
  }
  void report(const YAML::Mark& mark, const char* message) {
    faults.push_back({file_, mark.line + 1, message});
  }

  const std::string& file_;
  std::vector<YAML::anchor_t> open_;
};

}  // namespace

std::vector<Fault> shape_faults(const std::string& text, const std::string& file) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  ShapeCheck first(file);
  if (!parser.HandleNextDocument(first)) return {{file, 0, "the file is empty"}};
  // Two calls at most: at a stray token the parser makes no progress and finds documents for ever.
  ShapeCheck second(file);
  if (parser.HandleNextDocument(second)) {
    first.faults.push_back({file, second.line, "there is more after the end of the first YAML document"});
  }
  return std::move(first.faults);
}

}  // namespace howdah::config
