// Passwords as SCRAM sees them: https://www.rfc-editor.org/rfc/rfc4013
//
// Done as PostgreSQL does it: ASCII stays as it is; other spaces become a space; soft hyphens, joiners and
// variation selectors vanish; a password without a normal form (invalid UTF-8, prohibited characters, nothing
// left) is used as it is, so nothing is refused.
//
// Not done: Unicode normalization (NFKC) and the rules for right-to-left text. A password that is not in NFKC
// already (combining accents, ligatures, full-width letters, superscripts) or that mixes right-to-left
// letters with characters mapped above gives keys that differ from PostgreSQL's, so that login fails.
// saslprep_is_exact tells; a SCRAM verifier in place of the password always works.
#pragma once

#include <string>

#include "base/bytes.h"

namespace howdah::pgwire {

std::string saslprep(Bytes password);

// Whether saslprep is known to give what PostgreSQL gives: always for ASCII, for invalid UTF-8, and for
// composed letters of common alphabets. For warnings about a configured password.
bool saslprep_is_exact(Bytes password);

}  // namespace howdah::pgwire
