#include "proxy/admin/version.h"

namespace howdah::admin {

const char* const kVersion = HOWDAH_VERSION;

}  // namespace howdah::admin
