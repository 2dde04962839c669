#include "tests/e2e_access/certificates.h"

#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/process.h"

namespace howdah::e2e_access {

Certificates::Certificates() : root_(make("root", "/CN=Test authority", "basicConstraints=critical,CA:TRUE", nullptr)) {
  chmod(folder_.path().c_str(), 0755);
}

Pair Certificates::make(const std::string& name, const std::string& subject, const std::string& extension, const Pair* issuer) const {
  const Pair pair{path(name + ".crt"), path(name + ".key")};
  std::vector<std::string> command = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                                      "-sha256", "-days", "2", "-subj", subject, "-keyout", pair.key, "-out", pair.cert,
                                      "-addext", extension};
  if (issuer != nullptr) command.insert(command.end(), {"-CA", issuer->cert, "-CAkey", issuer->key});
  testing::run_or_throw({.argv = command});
  return pair;
}

Pair Certificates::server(const std::string& name) const {
  return make(name, "/CN=" + name, "subjectAltName=IP:127.0.0.1,DNS:localhost", &root_);
}

Pair Certificates::stranger_server() const { return make("stranger", "/CN=stranger", "subjectAltName=DNS:elsewhere.example", &root_); }

Pair Certificates::client(const std::string& name, const std::string& subject) const {
  return make(name, subject, "extendedKeyUsage=clientAuth", &root_);
}

Pair Certificates::foreign_client(const std::string& subject) const {
  const Pair issuer = make("foreign_root", "/CN=Somebody else", "basicConstraints=critical,CA:TRUE", nullptr);
  return make("foreign", subject, "extendedKeyUsage=clientAuth", &issuer);
}

void Certificates::give_to_server(const Pair& pair) const {
  const auto owner = testing::server_owner();
  if (chown(pair.key.c_str(), owner.uid, owner.gid) != 0 && geteuid() == 0) perror("chown");
  chmod(pair.key.c_str(), 0600);
}

}  // namespace howdah::e2e_access
