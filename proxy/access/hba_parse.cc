#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "proxy/access/hba.h"

namespace howdah::access {

namespace {

constexpr std::array<std::pair<std::string_view, HbaMethod>, 7> kMethods{{{"trust", HbaMethod::kTrust},
                                                                          {"reject", HbaMethod::kReject},
                                                                          {"scram-sha-256", HbaMethod::kScram},
                                                                          {"md5", HbaMethod::kMd5},
                                                                          {"password", HbaMethod::kPassword},
                                                                          {"cert", HbaMethod::kCert},
                                                                          {"peer", HbaMethod::kPeer}}};
constexpr std::array<std::string_view, 7> kOtherMethods{"gss", "sspi", "ident", "ldap", "radius", "pam", "bsd"};

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

template <class Range>
bool contains(const Range& range, std::string_view text) {
  return std::find(range.begin(), range.end(), text) != range.end();
}

// One line into one rule. Each step reports its own fault and answers false.
class RuleParser {
 public:
  RuleParser(const std::string& path, const Line& line, std::vector<FileFault>& faults)
      : path_(path), line_(line), faults_(faults) {}

  bool parse(HbaRule& rule) {
    rule.line = line_.number;
    return take_type(rule) && take_names(rule.databases, "database") && check_databases(rule) &&
           take_names(rule.users, "user") && check_users(rule) &&
           (rule.type == HbaType::kLocal || take_range(rule.range)) && take_method(rule) && take_options(rule);
  }

 private:
  bool fault(std::string message) {
    faults_.push_back({path_, line_.number, std::move(message)});
    return false;
  }

  bool at_end() const { return next_ == line_.fields.size(); }

  // A field of one token.
  const Token* take(const char* what) {
    if (at_end()) {
      fault(std::string("the line ends before its ") + what);
      return nullptr;
    }
    const Field& field = line_.fields[next_++];
    if (field.size() != 1) {
      fault(std::string("the ") + what + " is a list; write one line for each");
      return nullptr;
    }
    return &field.front();
  }

  bool take_type(HbaRule& rule) {
    const Token* type = take("connection type");
    if (type == nullptr) return false;
    if (type->text == "local") {
      rule.type = HbaType::kLocal;
    } else if (type->text == "host" || type->text == "hostnogssenc") {
      rule.type = HbaType::kHost;
    } else if (type->text == "hostssl") {
      rule.type = HbaType::kHostSsl;
    } else if (type->text == "hostnossl") {
      rule.type = HbaType::kHostNoSsl;
    } else if (type->text == "hostgssenc") {
      return fault("hostgssenc can never match: GSS encryption is not supported; remove the line");
    } else if (type->text.starts_with("include")) {
      return fault(quoted(type->text) + " is not supported: put the rules into this file");
    } else {
      return fault("invalid connection type " + quoted(type->text) + " (local, host, hostssl, hostnossl)");
    }
    return true;
  }

  bool take_names(Field& names, const char* what) {
    if (at_end()) return fault(std::string("the line ends before its ") + what);
    names = line_.fields[next_++];
    for (const Token& name : names) {
      if (name.text.starts_with('/')) {
        return fault("regular expressions are not supported: " + quoted(name.text) + "; list the names, or keep them in an @file");
      }
    }
    return true;
  }

  bool check_databases(const HbaRule& rule) {
    for (const Token& name : rule.databases) {
      if (name.is("samerole") || name.is("samegroup")) {
        return fault(name.text + " is not supported: Howdah does not know who is a member of which role; list the names");
      }
    }
    return true;
  }

  bool check_users(const HbaRule& rule) {
    for (const Token& name : rule.users) {
      if (!name.quoted && name.text.starts_with('+')) {
        return fault(quoted(name.text) + " is not supported: Howdah does not know who is a member of which role; list the names");
      }
    }
    return true;
  }

  bool take_range(HbaRange& range) {
    const Token* token = take("address");
    if (token == nullptr) return false;
    if (token->is("all")) {
      range.kind = HbaRange::kAll;
      return true;
    }
    if (token->is("samehost") || token->is("samenet")) {
      range.kind = token->is("samehost") ? HbaRange::kSameHost : HbaRange::kSameNet;
      return true;
    }
    range.kind = HbaRange::kMask;
    const auto slash = token->text.find('/');
    const auto address = parse_address(std::string_view(token->text).substr(0, slash));
    if (!address) {
      return fault(quoted(token->text) + " is not an IP address (names are not supported: looking them up would hold up logins)");
    }
    range.address = *address;
    return slash == std::string::npos ? take_mask(range) : set_prefix(range, std::string_view(token->text).substr(slash + 1));
  }

  bool set_prefix(HbaRange& range, std::string_view text) {
    unsigned length = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    if (error != std::errc{} || stop != text.data() + text.size() || length > range.address.size() * 8) {
      return fault("invalid CIDR mask in address \"" + range.address.to_string() + "/" + std::string(text) + "\"");
    }
    range.mask = prefix_mask(range.address.v6, length);
    return true;
  }

  bool take_mask(HbaRange& range) {
    const Token* token = take("netmask");
    if (token == nullptr) return fault("write the address as IP/bits, or give a separate netmask");
    const auto mask = parse_address(token->text);
    if (!mask) return fault("invalid IP mask " + quoted(token->text));
    if (mask->v6 != range.address.v6) return fault("IP address and mask do not match");
    range.mask = *mask;
    return true;
  }

  bool take_method(HbaRule& rule) {
    const Token* token = take("authentication method");
    if (token == nullptr) return false;
    for (const auto& [name, method] : kMethods) {
      if (token->text != name) continue;
      rule.method = method;
      if (method == HbaMethod::kPeer && rule.type != HbaType::kLocal) return fault("peer is only supported on local connections");
      if (method == HbaMethod::kCert && rule.type != HbaType::kHostSsl) return fault("cert is only supported on hostssl connections");
      if (method == HbaMethod::kCert) rule.client_cert = ClientCert::kVerifyFull;
      return true;
    }
    const std::string known = " (trust, reject, scram-sha-256, md5, password, cert, peer)";
    return fault(contains(kOtherMethods, token->text) ? "authentication method " + quoted(token->text) + " is not supported" + known
                                                      : "invalid authentication method " + quoted(token->text) + known);
  }

  bool take_options(HbaRule& rule) {
    while (!at_end()) {
      for (const Token& option : line_.fields[next_]) {
        const auto equals = option.text.find('=');
        if (equals == std::string::npos) return fault("authentication option " + quoted(option.text) + " is not of the form name=value");
        if (!set_option(rule, option.text.substr(0, equals), option.text.substr(equals + 1))) return false;
      }
      ++next_;
    }
    return true;
  }

  bool set_option(HbaRule& rule, const std::string& name, const std::string& value) {
    const bool by_name = rule.method == HbaMethod::kCert || rule.method == HbaMethod::kPeer;
    if (name == "map") {
      if (!by_name && rule.client_cert != ClientCert::kVerifyFull) return fault("map is only for cert, peer and clientcert=verify-full");
      rule.map = value;
      return true;
    }
    if (name == "clientcert") {
      if (rule.type != HbaType::kHostSsl) return fault("clientcert is only for hostssl connections");
      if (value == "verify-ca" && rule.method == HbaMethod::kCert) return fault("cert always checks the name: clientcert=verify-ca contradicts it");
      if (value != "verify-ca" && value != "verify-full") return fault("clientcert is verify-ca or verify-full, not " + quoted(value));
      rule.client_cert = value == "verify-ca" ? ClientCert::kVerifyCa : ClientCert::kVerifyFull;
      return true;
    }
    if (name == "clientname") {
      if (rule.type != HbaType::kHostSsl) return fault("clientname is only for hostssl connections");
      if (value != "CN" && value != "DN") return fault("clientname is CN or DN, not " + quoted(value));
      rule.distinguished_name = value == "DN";
      return true;
    }
    return fault("authentication option " + quoted(name) + " is not supported (map, clientcert, clientname)");
  }

  const std::string& path_;
  const Line& line_;
  std::vector<FileFault>& faults_;
  std::size_t next_ = 0;
};

}  // namespace

HbaFile parse_hba(std::string_view text, const std::string& path, const FileReader& read) {
  HbaFile file;
  const auto lines = parse_lines(text, path, read, file.faults);
  const auto broken = file.faults;
  for (const Line& line : lines) {
    const auto is_here = [&](const FileFault& fault) { return fault.file == path && fault.line == line.number; };
    if (std::any_of(broken.begin(), broken.end(), is_here)) continue;
    HbaRule rule;
    if (!RuleParser(path, line, file.faults).parse(rule)) continue;
    file.needs_interfaces |= rule.range.kind == HbaRange::kSameHost || rule.range.kind == HbaRange::kSameNet;
    file.rules.push_back(std::move(rule));
  }
  // Without any rule nobody could ever connect.
  if (file.rules.empty() && file.faults.empty()) file.faults.push_back({path, 0, "the file has no rule: nobody could log in"});
  return file;
}

}  // namespace howdah::access
