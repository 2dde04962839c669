/* SELECT, INSERT, UPDATE, DELETE, MERGE and all they consist of, as TreeNodes: see TreeKind. */
#include "sharding/sql/pg_tree_internal.h"

#include "nodes/nodeFuncs.h"

static TreeNode* conv(TreeBuilder* b, const void* node) { return howdah_tree_convert(b, node); }
static TreeNode* conv_list(TreeBuilder* b, const List* list) { return howdah_tree_list(b, list); }

/* ---- expressions ---- */

static TreeNode* items(TreeBuilder* b, int kind, int location, const List* list) {
  TreeNode* out = howdah_tree_node(b, kind, location, (uint32_t)list_length(list));
  for (int i = 0; i < list_length(list); ++i) out->kids[i] = conv(b, list_nth(list, i));
  return out;
}

static TreeNode* one(TreeBuilder* b, int kind, int location, const void* kid) {
  TreeNode* out = howdah_tree_node(b, kind, location, 1);
  out->kids[0] = conv(b, kid);
  return out;
}

static TreeNode* other2(TreeBuilder* b, const void* first, const void* second) {
  TreeNode* out = one(b, TREE_OTHER_EXPR, -1, first);
  TreeNode* pair = howdah_tree_node(b, TREE_OTHER_EXPR, -1, 2);
  pair->kids[0] = out->kids[0];
  pair->kids[1] = conv(b, second);
  return pair;
}

static TreeNode* constant(TreeBuilder* b, const A_Const* in) {
  TreeNode* out = howdah_tree_node(b, TREE_CONST, in->location, 0);
  if (in->isnull) return out;
  switch (nodeTag(&in->val)) {
    case T_Integer:
      out->op = TREE_CONST_INT;
      out->number = in->val.ival.ival;
      break;
    case T_Float:
      out->op = TREE_CONST_FLOAT;
      out->text = howdah_tree_copy(b, in->val.fval.fval);
      break;
    case T_Boolean:
      out->op = TREE_CONST_BOOL;
      out->number = in->val.boolval.boolval;
      break;
    case T_String:
      out->op = TREE_CONST_STRING;
      out->text = howdah_tree_copy(b, in->val.sval.sval);
      break;
    default:
      out->op = TREE_CONST_BIT;
      out->text = howdah_tree_copy(b, in->val.bsval.bsval);
      break;
  }
  return out;
}

static int expr_kind(A_Expr_Kind kind) {
  switch (kind) {
    case AEXPR_OP: return TREE_OP;
    case AEXPR_OP_ANY: return TREE_OP_ANY;
    case AEXPR_OP_ALL: return TREE_OP_ALL;
    case AEXPR_DISTINCT: return TREE_IS_DISTINCT;
    case AEXPR_NOT_DISTINCT: return TREE_IS_NOT_DISTINCT;
    case AEXPR_NULLIF: return TREE_NULLIF;
    case AEXPR_IN: return TREE_IN;
    case AEXPR_LIKE:
    case AEXPR_ILIKE:
    case AEXPR_SIMILAR: return TREE_LIKE_OP;
    default: return TREE_BETWEEN_OP;
  }
}

static TreeNode* expression(TreeBuilder* b, const A_Expr* in) {
  TreeNode* out = howdah_tree_node(b, TREE_EXPR, in->location, 2);
  out->op = (uint8_t)expr_kind(in->kind);
  howdah_tree_name(b, out, in->name);
  out->kids[0] = conv(b, in->lexpr);
  out->kids[1] = conv(b, in->rexpr);
  return out;
}

static TreeNode* boolean(TreeBuilder* b, const BoolExpr* in) {
  TreeNode* out = items(b, TREE_BOOL, in->location, in->args);
  out->op = in->boolop == AND_EXPR ? TREE_AND : in->boolop == OR_EXPR ? TREE_OR : TREE_NOT;
  return out;
}

static TreeNode* type_name(TreeBuilder* b, const TypeName* in) {
  TreeNode* out = items(b, TREE_TYPE, in->location, in->typmods);
  howdah_tree_name(b, out, in->names);
  out->number = list_length(in->arrayBounds);
  if (in->setof) out->flags |= TREE_FLAG_SETOF;
  return out;
}

static TreeNode* function(TreeBuilder* b, const FuncCall* in) {
  TreeNode* out = howdah_tree_node(b, TREE_FUNC, in->location, 4);
  howdah_tree_name(b, out, in->funcname);
  out->kids[0] = conv_list(b, in->args);
  out->kids[1] = conv_list(b, in->agg_order);
  out->kids[2] = conv(b, in->agg_filter);
  out->kids[3] = conv(b, in->over);
  if (in->agg_star) out->flags |= TREE_FLAG_STAR;
  if (in->agg_distinct) out->flags |= TREE_FLAG_DISTINCT;
  if (in->func_variadic) out->flags |= TREE_FLAG_VARIADIC;
  return out;
}

static TreeNode* sublink(TreeBuilder* b, const SubLink* in) {
  static const uint8_t kKinds[] = {TREE_EXISTS, TREE_ALL, TREE_ANY, TREE_SUBLINK_OTHER, TREE_SCALAR, TREE_MULTI,
                                   TREE_ARRAY_SUB};
  TreeNode* out = howdah_tree_node(b, TREE_SUBLINK, in->location, 2);
  out->op = (unsigned)in->subLinkType < sizeof kKinds ? kKinds[in->subLinkType] : TREE_SUBLINK_OTHER;
  howdah_tree_name(b, out, in->operName);
  out->kids[0] = conv(b, in->testexpr);
  out->kids[1] = conv(b, in->subselect);
  return out;
}

static TreeNode* named(TreeBuilder* b, TreeNode* node, const char* name) {
  node->text = howdah_tree_copy(b, name);
  return node;
}

static TreeNode* case_expr(TreeBuilder* b, const CaseExpr* in) {
  TreeNode* out = named(b, howdah_tree_node(b, TREE_OTHER_EXPR, in->location, 3), "case");
  out->kids[0] = conv(b, in->arg);
  out->kids[1] = conv_list(b, in->args);
  out->kids[2] = conv(b, in->defresult);
  return out;
}

static TreeNode* xml(TreeBuilder* b, const XmlExpr* in) {
  TreeNode* out = howdah_tree_node(b, TREE_OTHER_EXPR, in->location, 2);
  out->kids[0] = conv_list(b, in->named_args);
  out->kids[1] = conv_list(b, in->args);
  return out;
}

static TreeNode* window(TreeBuilder* b, const WindowDef* in) {
  TreeNode* out = howdah_tree_node(b, TREE_WINDOW, in->location, 4);
  out->text = howdah_tree_copy(b, in->name);
  out->qualifier = howdah_tree_copy(b, in->refname);
  out->kids[0] = conv_list(b, in->partitionClause);
  out->kids[1] = conv_list(b, in->orderClause);
  out->kids[2] = conv(b, in->startOffset);
  out->kids[3] = conv(b, in->endOffset);
  return out;
}

static TreeNode* target(TreeBuilder* b, const ResTarget* in) {
  TreeNode* out = howdah_tree_node(b, TREE_TARGET, in->location, 2);
  out->text = howdah_tree_copy(b, in->name);
  out->kids[0] = conv(b, in->val);
  out->kids[1] = conv_list(b, in->indirection);
  return out;
}

/* ---- FROM ---- */

static TreeNode* alias(TreeBuilder* b, const Alias* in) {
  TreeNode* out = items(b, TREE_ALIAS, -1, in->colnames);
  out->text = howdah_tree_copy(b, in->aliasname);
  return out;
}

static TreeNode* range_var(TreeBuilder* b, const RangeVar* in) {
  TreeNode* out = one(b, TREE_RANGE_VAR, in->location, in->alias);
  out->text = howdah_tree_copy(b, in->relname);
  out->qualifier = howdah_tree_copy(b, in->schemaname);
  out->number = in->relpersistence;
  if (in->inh) out->flags |= TREE_FLAG_INHERIT;
  return out;
}

static TreeNode* range_function(TreeBuilder* b, const RangeFunction* in) {
  TreeNode* out = howdah_tree_node(b, TREE_RANGE_FUNCTION, -1, 3);
  TreeNode* calls = howdah_tree_node(b, TREE_LIST, -1, (uint32_t)list_length(in->functions));
  for (uint32_t i = 0; i < calls->count; ++i) {
    const List* pair = list_nth(in->functions, (int)i);
    calls->kids[i] = conv(b, linitial(pair));
    /* A column definition list inside of ROWS FROM names columns we then do not know: SETOF marks that. */
    if (list_length(pair) > 1 && lsecond(pair) != NULL) out->flags |= TREE_FLAG_SETOF;
  }
  out->kids[0] = calls;
  out->kids[1] = conv(b, in->alias);
  out->kids[2] = conv_list(b, in->coldeflist);
  if (in->lateral) out->flags |= TREE_FLAG_LATERAL;
  if (in->ordinality) out->flags |= TREE_FLAG_ORDINALITY;
  return out;
}

static TreeNode* range_table_func(TreeBuilder* b, const RangeTableFunc* in) {
  TreeNode* out = howdah_tree_node(b, TREE_RANGE_TABLE_FUNC, in->location, 3);
  TreeNode* parts = howdah_tree_node(b, TREE_LIST, -1, 4);
  parts->kids[0] = conv(b, in->docexpr);
  parts->kids[1] = conv(b, in->rowexpr);
  parts->kids[2] = conv_list(b, in->namespaces);
  parts->kids[3] = conv_list(b, in->columns);
  out->kids[0] = parts;
  out->kids[1] = conv(b, in->alias);
  if (in->lateral) out->flags |= TREE_FLAG_LATERAL;
  return out;
}

static TreeNode* join(TreeBuilder* b, const JoinExpr* in) {
  TreeNode* out = howdah_tree_node(b, TREE_JOIN, -1, 6);
  out->op = in->jointype == JOIN_INNER  ? TREE_INNER
            : in->jointype == JOIN_LEFT ? TREE_LEFT
            : in->jointype == JOIN_FULL ? TREE_FULL
                                        : TREE_RIGHT;
  if (in->isNatural) out->flags |= TREE_FLAG_NATURAL;
  out->kids[0] = conv(b, in->larg);
  out->kids[1] = conv(b, in->rarg);
  out->kids[2] = conv(b, in->quals);
  out->kids[3] = conv_list(b, in->usingClause);
  out->kids[4] = conv(b, in->alias);
  out->kids[5] = conv(b, in->join_using_alias);
  return out;
}

/* ---- statements ---- */

static TreeNode* cte(TreeBuilder* b, const CommonTableExpr* in) {
  TreeNode* out = howdah_tree_node(b, TREE_CTE, in->location, 2);
  out->text = howdah_tree_copy(b, in->ctename);
  out->kids[0] = conv(b, in->ctequery);
  out->kids[1] = conv_list(b, in->aliascolnames);
  out->number = in->search_clause != NULL || in->cycle_clause != NULL;
  return out;
}

static TreeNode* with(TreeBuilder* b, const WithClause* in) {
  TreeNode* out = items(b, TREE_WITH, in->location, in->ctes);
  if (in->recursive) out->flags |= TREE_FLAG_RECURSIVE;
  return out;
}

static TreeNode* select_stmt(TreeBuilder* b, const SelectStmt* in) {
  TreeNode* out = howdah_tree_node(b, TREE_SELECT, -1, TREE_SELECT_KIDS);
  TreeNode** kids = out->kids;
  out->op = (uint8_t)in->op;
  if (in->all) out->flags |= TREE_FLAG_ALL;
  /* libpg_query numbers LimitOption anew, with LIMIT_OPTION_DEFAULT first; pg_tree_test.cc proves it. */
  enum { kWithTies = 2 };
  if ((int)in->limitOption == kWithTies) out->flags |= TREE_FLAG_WITH_TIES;
  if (in->distinctClause != NIL) {
    if (linitial(in->distinctClause) == NULL) out->flags |= TREE_FLAG_DISTINCT;
    else kids[TREE_SELECT_DISTINCT_ON] = conv_list(b, in->distinctClause);
  }
  kids[TREE_SELECT_WITH] = conv(b, in->withClause);
  kids[TREE_SELECT_TARGETS] = conv_list(b, in->targetList);
  kids[TREE_SELECT_FROM] = conv_list(b, in->fromClause);
  kids[TREE_SELECT_WHERE] = conv(b, in->whereClause);
  kids[TREE_SELECT_GROUP] = conv_list(b, in->groupClause);
  kids[TREE_SELECT_HAVING] = conv(b, in->havingClause);
  kids[TREE_SELECT_WINDOWS] = conv_list(b, in->windowClause);
  kids[TREE_SELECT_VALUES] = conv_list(b, in->valuesLists);
  kids[TREE_SELECT_SORT] = conv_list(b, in->sortClause);
  kids[TREE_SELECT_OFFSET] = conv(b, in->limitOffset);
  kids[TREE_SELECT_LIMIT] = conv(b, in->limitCount);
  kids[TREE_SELECT_LOCKING] = conv_list(b, in->lockingClause);
  kids[TREE_SELECT_INTO] = in->intoClause == NULL ? NULL : one(b, TREE_INTO, -1, in->intoClause->rel);
  kids[TREE_SELECT_LEFT] = conv(b, in->larg);
  kids[TREE_SELECT_RIGHT] = conv(b, in->rarg);
  return out;
}

static TreeNode* insert(TreeBuilder* b, const InsertStmt* in) {
  TreeNode* out = howdah_tree_node(b, TREE_INSERT, -1, TREE_INSERT_KIDS);
  out->kids[TREE_INSERT_WITH] = conv(b, in->withClause);
  out->kids[TREE_INSERT_RELATION] = conv(b, in->relation);
  out->kids[TREE_INSERT_COLUMNS] = conv_list(b, in->cols);
  out->kids[TREE_INSERT_SOURCE] = conv(b, in->selectStmt);
  out->kids[TREE_INSERT_CONFLICT] = conv(b, in->onConflictClause);
  out->kids[TREE_INSERT_RETURNING] = conv_list(b, in->returningList);
  out->number = (int32_t)in->override;
  return out;
}

static TreeNode* on_conflict(TreeBuilder* b, const OnConflictClause* in) {
  TreeNode* out = howdah_tree_node(b, TREE_ON_CONFLICT, in->location, 4);
  out->op = in->action == ONCONFLICT_UPDATE ? 2 : 1;
  if (in->infer != NULL) {
    out->text = howdah_tree_copy(b, in->infer->conname);
    out->kids[0] = conv_list(b, in->infer->indexElems);
    out->kids[1] = conv(b, in->infer->whereClause);
  }
  out->kids[2] = conv_list(b, in->targetList);
  out->kids[3] = conv(b, in->whereClause);
  return out;
}

static TreeNode* update(TreeBuilder* b, const UpdateStmt* in) {
  TreeNode* out = howdah_tree_node(b, TREE_UPDATE, -1, TREE_UPDATE_KIDS);
  out->kids[TREE_UPDATE_WITH] = conv(b, in->withClause);
  out->kids[TREE_UPDATE_RELATION] = conv(b, in->relation);
  out->kids[TREE_UPDATE_SET] = conv_list(b, in->targetList);
  out->kids[TREE_UPDATE_FROM] = conv_list(b, in->fromClause);
  out->kids[TREE_UPDATE_WHERE] = conv(b, in->whereClause);
  out->kids[TREE_UPDATE_RETURNING] = conv_list(b, in->returningList);
  return out;
}

static TreeNode* delete_stmt(TreeBuilder* b, const DeleteStmt* in) {
  TreeNode* out = howdah_tree_node(b, TREE_DELETE, -1, TREE_DELETE_KIDS);
  out->kids[TREE_DELETE_WITH] = conv(b, in->withClause);
  out->kids[TREE_DELETE_RELATION] = conv(b, in->relation);
  out->kids[TREE_DELETE_USING] = conv_list(b, in->usingClause);
  out->kids[TREE_DELETE_WHERE] = conv(b, in->whereClause);
  out->kids[TREE_DELETE_RETURNING] = conv_list(b, in->returningList);
  return out;
}

static TreeNode* merge(TreeBuilder* b, const MergeStmt* in) {
  TreeNode* out = howdah_tree_node(b, TREE_MERGE, -1, TREE_MERGE_KIDS);
  out->kids[TREE_MERGE_WITH] = conv(b, in->withClause);
  out->kids[TREE_MERGE_RELATION] = conv(b, in->relation);
  out->kids[TREE_MERGE_SOURCE] = conv(b, in->sourceRelation);
  out->kids[TREE_MERGE_ON] = conv(b, in->joinCondition);
  out->kids[TREE_MERGE_ACTIONS] = conv_list(b, in->mergeWhenClauses);
  return out;
}

static TreeNode* merge_when(TreeBuilder* b, const MergeWhenClause* in) {
  TreeNode* out = howdah_tree_node(b, TREE_MERGE_WHEN, -1, 3);
  out->op = in->commandType == CMD_INSERT   ? TREE_MERGE_INSERT
            : in->commandType == CMD_UPDATE ? TREE_MERGE_UPDATE
            : in->commandType == CMD_DELETE ? TREE_MERGE_DELETE
                                            : TREE_MERGE_NOTHING;
  if (in->matched) out->flags |= TREE_FLAG_MATCHED;
  out->kids[0] = conv(b, in->condition);
  out->kids[1] = conv_list(b, in->targetList);
  out->kids[2] = conv_list(b, in->values);
  return out;
}

static TreeNode* sort_by(TreeBuilder* b, const SortBy* in) {
  TreeNode* out = one(b, TREE_SORT_BY, in->location, in->node);
  out->op = (uint8_t)in->sortby_dir;
  out->number = (int32_t)in->sortby_nulls;
  if (list_length(in->useOp) > 1) out->flags |= TREE_FLAG_QUALIFIED;
  return out;
}

static TreeNode* index_elem(TreeBuilder* b, const IndexElem* in) {
  TreeNode* out = one(b, TREE_INDEX_ELEM, -1, in->expr);
  out->text = howdah_tree_copy(b, in->name);
  return out;
}

static TreeNode* locking(TreeBuilder* b, const LockingClause* in) {
  TreeNode* out = items(b, TREE_LOCKING, -1, in->lockedRels);
  out->op = (uint8_t)in->strength;
  out->number = in->waitPolicy;
  return out;
}

static TreeNode* string(TreeBuilder* b, const char* text) {
  TreeNode* out = howdah_tree_node(b, TREE_STRING, -1, 0);
  out->text = howdah_tree_copy(b, text);
  return out;
}

static TreeNode* numbered(TreeBuilder* b, int kind, int location, int number, const void* kid) {
  TreeNode* out = kid == NULL ? howdah_tree_node(b, kind, location, 0) : one(b, kind, location, kid);
  out->number = number;
  return out;
}

#define AS(Type) ((const Type*)in)

TreeNode* howdah_tree_query(TreeBuilder* b, const Node* in) {
  switch (nodeTag(in)) {
    case T_List: return conv_list(b, (const List*)in);
    case T_String: return string(b, AS(String)->sval);
    case T_A_Star: return howdah_tree_node(b, TREE_STAR, -1, 0);
    case T_A_Const: return constant(b, AS(A_Const));
    case T_ParamRef: return numbered(b, TREE_PARAM, AS(ParamRef)->location, AS(ParamRef)->number, NULL);
    case T_ColumnRef: return items(b, TREE_COLUMN, AS(ColumnRef)->location, AS(ColumnRef)->fields);
    case T_A_Expr: return expression(b, AS(A_Expr));
    case T_BoolExpr: return boolean(b, AS(BoolExpr));
    case T_NullTest: {
      TreeNode* out = one(b, TREE_NULL_TEST, AS(NullTest)->location, AS(NullTest)->arg);
      out->op = AS(NullTest)->nulltesttype == IS_NOT_NULL;
      return out;
    }
    case T_BooleanTest: return one(b, TREE_OTHER_EXPR, AS(BooleanTest)->location, AS(BooleanTest)->arg);
    case T_TypeCast: {
      TreeNode* out = howdah_tree_node(b, TREE_CAST, AS(TypeCast)->location, 2);
      out->kids[0] = conv(b, AS(TypeCast)->arg);
      out->kids[1] = conv(b, AS(TypeCast)->typeName);
      return out;
    }
    case T_TypeName: return type_name(b, AS(TypeName));
    case T_CollateClause: return one(b, TREE_COLLATE, AS(CollateClause)->location, AS(CollateClause)->arg);
    case T_FuncCall: return function(b, AS(FuncCall));
    case T_NamedArgExpr: {
      TreeNode* out = one(b, TREE_NAMED_ARG, AS(NamedArgExpr)->location, AS(NamedArgExpr)->arg);
      out->text = howdah_tree_copy(b, AS(NamedArgExpr)->name);
      return out;
    }
    case T_SubLink: return sublink(b, AS(SubLink));
    case T_SQLValueFunction: {
      TreeNode* out = howdah_tree_node(b, TREE_SQL_VALUE, AS(SQLValueFunction)->location, 0);
      out->op = (uint8_t)AS(SQLValueFunction)->op;
      return out;
    }
    case T_SetToDefault: return howdah_tree_node(b, TREE_DEFAULT, AS(SetToDefault)->location, 0);
    case T_CurrentOfExpr: {
      TreeNode* out = howdah_tree_node(b, TREE_CURRENT_OF, -1, 0);
      out->text = howdah_tree_copy(b, AS(CurrentOfExpr)->cursor_name);
      return out;
    }
    case T_RowExpr: return items(b, TREE_ROW, AS(RowExpr)->location, AS(RowExpr)->args);
    case T_A_ArrayExpr: return items(b, TREE_ARRAY, AS(A_ArrayExpr)->location, AS(A_ArrayExpr)->elements);
    case T_CaseExpr: return case_expr(b, AS(CaseExpr));
    case T_CaseWhen: return other2(b, AS(CaseWhen)->expr, AS(CaseWhen)->result);
    case T_CoalesceExpr:
      return named(b, items(b, TREE_OTHER_EXPR, AS(CoalesceExpr)->location, AS(CoalesceExpr)->args), "coalesce");
    case T_MinMaxExpr:
      return named(b, items(b, TREE_OTHER_EXPR, AS(MinMaxExpr)->location, AS(MinMaxExpr)->args),
                   AS(MinMaxExpr)->op == IS_GREATEST ? "greatest" : "least");
    case T_GroupingFunc:
      return named(b, items(b, TREE_OTHER_EXPR, AS(GroupingFunc)->location, AS(GroupingFunc)->args), "grouping");
    case T_A_Indirection: return other2(b, AS(A_Indirection)->arg, AS(A_Indirection)->indirection);
    case T_A_Indices: return other2(b, AS(A_Indices)->lidx, AS(A_Indices)->uidx);
    case T_XmlExpr: return xml(b, AS(XmlExpr));
    case T_XmlSerialize: return other2(b, AS(XmlSerialize)->expr, AS(XmlSerialize)->typeName);
    case T_ResTarget: return target(b, AS(ResTarget));
    case T_MultiAssignRef:
      return numbered(b, TREE_MULTI_ASSIGN, -1, AS(MultiAssignRef)->colno, AS(MultiAssignRef)->source);
    case T_SortBy: return sort_by(b, AS(SortBy));
    case T_WindowDef: return window(b, AS(WindowDef));
    case T_GroupingSet: {
      TreeNode* out = items(b, TREE_GROUPING_SET, AS(GroupingSet)->location, AS(GroupingSet)->content);
      out->op = (uint8_t)AS(GroupingSet)->kind;
      return out;
    }
    case T_Alias: return alias(b, AS(Alias));
    case T_RangeVar: return range_var(b, AS(RangeVar));
    case T_RangeSubselect: {
      TreeNode* out = howdah_tree_node(b, TREE_RANGE_SUBSELECT, -1, 2);
      out->kids[0] = conv(b, AS(RangeSubselect)->subquery);
      out->kids[1] = conv(b, AS(RangeSubselect)->alias);
      if (AS(RangeSubselect)->lateral) out->flags |= TREE_FLAG_LATERAL;
      return out;
    }
    case T_RangeFunction: return range_function(b, AS(RangeFunction));
    case T_RangeTableFunc: return range_table_func(b, AS(RangeTableFunc));
    case T_RangeTableFuncCol: return other2(b, AS(RangeTableFuncCol)->colexpr, AS(RangeTableFuncCol)->coldefexpr);
    case T_RangeTableSample: {
      TreeNode* out = howdah_tree_node(b, TREE_RANGE_SAMPLE, AS(RangeTableSample)->location, 2);
      out->kids[0] = conv(b, AS(RangeTableSample)->relation);
      out->kids[1] = howdah_tree_list(b, AS(RangeTableSample)->args);
      return out;
    }
    case T_JoinExpr: return join(b, AS(JoinExpr));
    case T_WithClause: return with(b, AS(WithClause));
    case T_CommonTableExpr: return cte(b, AS(CommonTableExpr));
    case T_LockingClause: return locking(b, AS(LockingClause));
    case T_OnConflictClause: return on_conflict(b, AS(OnConflictClause));
    case T_MergeWhenClause: return merge_when(b, AS(MergeWhenClause));
    case T_IndexElem: return index_elem(b, AS(IndexElem));
    case T_SelectStmt: return select_stmt(b, AS(SelectStmt));
    case T_InsertStmt: return insert(b, AS(InsertStmt));
    case T_UpdateStmt: return update(b, AS(UpdateStmt));
    case T_DeleteStmt: return delete_stmt(b, AS(DeleteStmt));
    case T_MergeStmt: return merge(b, AS(MergeStmt));
    default: return howdah_tree_utility(b, in);
  }
}
