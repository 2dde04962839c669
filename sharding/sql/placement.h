// Where a SELECT, INSERT, UPDATE, DELETE or MERGE runs, by what was found in it.
#pragma once

#include "sharding/sql/analyzer.h"
#include "sharding/sql/query.h"

namespace howdah::sharding::sql {

// Fills where, pins, refusal, read_only, writes, pin and notifies of `plan`. `walker` has walked the
// statement. `reads`: the statement is a query; what it calls decides whether it is read-only.
void place(QueryWalker& walker, const AnalyzeContext& context, bool reads, StatementPlan& plan);

// Refuses a statement over several shards if they have different definitions of the table.
bool refuse_drift(const AnalyzeContext& context, const schema::Relation& relation, StatementPlan& plan);

// Turns `plan` into a refusal.
void refuse(StatementPlan& plan, Error error);

}  // namespace howdah::sharding::sql
