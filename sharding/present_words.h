// Texts that date and time types read as the present: each shard would read them by its own clock.
// Source: https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/utils/adt/datetime.c
#pragma once

#include "base/bytes.h"

namespace howdah::sharding {

// A text with such a word, anywhere in it.
bool names_the_present(Bytes text);

// A text that may be a time with such a word: ParseDateTime() takes runs of ASCII letters as words, and no long texts.
bool may_be_the_present(Bytes text);

}  // namespace howdah::sharding
