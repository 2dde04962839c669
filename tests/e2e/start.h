// The proxy's process, started and serving.
#pragma once

#include <memory>

#include "tests/support/howdah_process.h"
#include "tests/support/pg_cluster.h"

namespace howdah::e2e {

// Returns when a client has been answered through the proxy. Throws std::runtime_error with the
// proxy's log when that does not happen.
std::unique_ptr<testing::HowdahProcess> start(testing::PgCluster& cluster,
                                              testing::HowdahOptions options = {});

// Waits until a login as app succeeds: after a restart, a reload or a failure.
void await_serving(testing::HowdahProcess& howdah);

}  // namespace howdah::e2e
