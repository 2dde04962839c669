// ErrorResponse and NoticeResponse: one shape, two type bytes.
//
//   body := (field:byte1 value:string)* 0
//
// https://www.postgresql.org/docs/15/protocol-error-fields.html
#pragma once

#include <string>

#include "base/bytes.h"

namespace howdah::pgwire {

// How many characters of UTF-8 it is: what positions count.
int characters(Bytes text);

// The fields that PostgreSQL 15 knows. Empty or 0: the field is not there. Others are skipped when reading.
struct ErrorFields {
  Bytes severity;  // V: ERROR, FATAL, PANIC; WARNING, NOTICE, DEBUG, INFO, LOG. Read from S when V is missing
  Bytes localized_severity;   // S; written as `severity` when empty
  Bytes sqlstate;             // C; written as XX000 when empty
  Bytes message;              // M
  Bytes detail;               // D
  Bytes hint;                 // H
  int position = 0;           // P: characters from 1 into the statement
  int internal_position = 0;  // p: characters from 1 into internal_query
  Bytes internal_query;       // q
  Bytes where;                // W: the context, one line per level
  Bytes schema;               // s
  Bytes table;                // t
  Bytes column;               // c
  Bytes data_type;            // d
  Bytes constraint;           // n
  Bytes file;                 // F
  Bytes line;                 // L
  Bytes routine;              // R
};

// False when the body does not have the shape above. A missing SQLSTATE or message is not a fault of shape.
bool decode(Bytes body, ErrorFields& out);

// Append one whole message, fields in PostgreSQL's order.
void append_error(std::string& out, const ErrorFields& fields);
void append_notice(std::string& out, const ErrorFields& fields);

// A server's ErrorResponse or NoticeResponse (`type`) with every field as it came, known or not, but another
// position: for statements whose text was changed on the way. 0 takes the field out. REQUIRES: decode()
// accepts the body.
void append_with_position(std::string& out, char type, Bytes body, int position);

}  // namespace howdah::pgwire
