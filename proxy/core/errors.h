// Where our error codes become SQLSTATEs: the one exhaustive switch.
// https://www.postgresql.org/docs/15/errcodes-appendix.html
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace howdah::proxy {

std::string_view sqlstate(ErrorCode code);

// Appends an ErrorResponse; `severity` is ERROR, FATAL, WARNING or NOTICE (the last two as NoticeResponse).
void append_error_response(std::string& out, const Error& error, std::string_view severity = "ERROR");
void append_warning(std::string& out, std::string_view state, std::string_view message);

}  // namespace howdah::proxy
