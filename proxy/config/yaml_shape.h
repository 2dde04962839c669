// What must hold of a YAML text before a tree is made of it.
#pragma once

#include <string>

#include "proxy/config/config.h"

namespace howdah::config {

// Faults that yaml-cpp itself keeps quiet about: an alias inside the very node it stands for (its tree would
// be a cycle, which is never freed), and nesting far beyond any configuration. Throws YAML::Exception on a
// syntax error.
std::vector<Fault> shape_faults(const std::string& text, const std::string& file);

}  // namespace howdah::config
