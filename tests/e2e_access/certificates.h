// Certificates made for one test, with openssl, in a temporary folder.
#pragma once

#include <string>

#include "tests/support/files.h"

namespace howdah::e2e_access {

// The paths of a certificate and its key.
struct Pair {
  std::string cert;
  std::string key;
};

class Certificates {
 public:
  // Makes the authority `root` that the others are signed by, unless another one is named.
  Certificates();

  const std::string& root() const { return root_.cert; }
  // A server's, for 127.0.0.1 and localhost.
  Pair server(const std::string& name = "server") const;
  // One for other names only.
  Pair stranger_server() const;
  // A client's, with this subject ("/CN=app").
  Pair client(const std::string& name, const std::string& subject) const;
  // A client's, signed by nobody that `root` knows.
  Pair foreign_client(const std::string& subject) const;
  // For PostgreSQL, which wants keys that only it can read.
  void give_to_server(const Pair& pair) const;
  std::string path(const std::string& name) const { return folder_.path() + "/" + name; }

 private:
  Pair make(const std::string& name, const std::string& subject, const std::string& extension, const Pair* issuer) const;

  testing::TempDir folder_;
  Pair root_;
};

}  // namespace howdah::e2e_access
