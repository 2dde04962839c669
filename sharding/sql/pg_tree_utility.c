/* The statements that are not SELECT, INSERT, UPDATE, DELETE or MERGE, as TREE_UTILITY nodes: see TreeUtility. */
#include "sharding/sql/pg_tree_internal.h"

#include "nodes/nodeFuncs.h"

static TreeNode* utility(TreeBuilder* b, int op, const char* text, uint32_t kids) {
  TreeNode* out = howdah_tree_node(b, TREE_UTILITY, -1, kids);
  out->op = (uint8_t)op;
  out->text = howdah_tree_copy(b, text);
  return out;
}

static TreeNode* numbered(TreeBuilder* b, int op, int number) {
  TreeNode* out = utility(b, op, NULL, 0);
  out->number = number;
  return out;
}

/* `first` and then the items of `rest` as kids. */
static TreeNode* with_items(TreeBuilder* b, int op, const char* text, const void* first, const List* rest) {
  const uint32_t skip = first == NULL ? 0 : 1;
  TreeNode* out = utility(b, op, text, skip + (uint32_t)list_length(rest));
  if (first != NULL) out->kids[0] = howdah_tree_convert(b, first);
  for (int i = 0; i < list_length(rest); ++i) out->kids[skip + i] = howdah_tree_convert(b, list_nth(rest, i));
  return out;
}

static TreeNode* pair(TreeBuilder* b, int op, const void* first, const void* second) {
  TreeNode* out = utility(b, op, NULL, 2);
  out->kids[0] = howdah_tree_convert(b, first);
  out->kids[1] = howdah_tree_convert(b, second);
  return out;
}

static TreeNode* flagged(TreeNode* out, bool is, bool all) {
  if (is) out->flags |= TREE_FLAG_IS;
  if (all) out->flags |= TREE_FLAG_ALL;
  return out;
}

static TreeNode* transaction(TreeBuilder* b, const TransactionStmt* in) {
  switch (in->kind) {
    case TRANS_STMT_BEGIN:
    case TRANS_STMT_START: return with_items(b, TREE_U_BEGIN, NULL, NULL, in->options);
    case TRANS_STMT_COMMIT: return flagged(utility(b, TREE_U_COMMIT, NULL, 0), in->chain, false);
    case TRANS_STMT_ROLLBACK: return flagged(utility(b, TREE_U_ROLLBACK, NULL, 0), in->chain, false);
    case TRANS_STMT_SAVEPOINT: return utility(b, TREE_U_SAVEPOINT, in->savepoint_name, 0);
    case TRANS_STMT_RELEASE: return utility(b, TREE_U_RELEASE, in->savepoint_name, 0);
    case TRANS_STMT_ROLLBACK_TO: return utility(b, TREE_U_ROLLBACK_TO, in->savepoint_name, 0);
    case TRANS_STMT_PREPARE: return utility(b, TREE_U_PREPARE_TRANSACTION, in->gid, 0);
    case TRANS_STMT_COMMIT_PREPARED: return utility(b, TREE_U_COMMIT_PREPARED, in->gid, 0);
    case TRANS_STMT_ROLLBACK_PREPARED: return utility(b, TREE_U_ROLLBACK_PREPARED, in->gid, 0);
  }
  return numbered(b, TREE_U_OTHER, T_TransactionStmt);
}

static TreeNode* option(TreeBuilder* b, const DefElem* in) {
  TreeNode* out = howdah_tree_node(b, TREE_OPTION, in->location, 1);
  out->text = howdah_tree_copy(b, in->defname);
  out->qualifier = howdah_tree_copy(b, in->defnamespace);
  if (in->arg == NULL) return out;
  /* Bare values, as the grammar leaves them in options, become constants. */
  TreeNode* value = howdah_tree_node(b, TREE_CONST, -1, 0);
  switch (nodeTag(in->arg)) {
    case T_Integer:
      value->op = TREE_CONST_INT;
      value->number = intVal(in->arg);
      break;
    case T_Boolean:
      value->op = TREE_CONST_BOOL;
      value->number = boolVal(in->arg);
      break;
    case T_Float:
      value->op = TREE_CONST_FLOAT;
      value->text = howdah_tree_copy(b, castNode(Float, in->arg)->fval);
      break;
    case T_String:
      value->op = TREE_CONST_STRING;
      value->text = howdah_tree_copy(b, strVal(in->arg));
      break;
    default:
      value = howdah_tree_convert(b, in->arg);
      break;
  }
  out->kids[0] = value;
  return out;
}

static int constraint_kind(ConstrType type) {
  switch (type) {
    case CONSTR_NOTNULL: return TREE_CON_NOT_NULL;
    case CONSTR_DEFAULT: return TREE_CON_DEFAULT;
    case CONSTR_IDENTITY: return TREE_CON_IDENTITY;
    case CONSTR_GENERATED: return TREE_CON_GENERATED;
    case CONSTR_CHECK: return TREE_CON_CHECK;
    case CONSTR_PRIMARY: return TREE_CON_PRIMARY;
    case CONSTR_UNIQUE: return TREE_CON_UNIQUE;
    case CONSTR_EXCLUSION: return TREE_CON_EXCLUSION;
    case CONSTR_FOREIGN: return TREE_CON_FOREIGN;
    default: return TREE_CON_OTHER;
  }
}

static TreeNode* constraint(TreeBuilder* b, const Constraint* in) {
  TreeNode* out = howdah_tree_node(b, TREE_CONSTRAINT, in->location, 5);
  out->op = (uint8_t)constraint_kind(in->contype);
  out->text = howdah_tree_copy(b, in->conname);
  out->kids[0] = howdah_tree_convert(b, in->raw_expr);
  out->kids[1] = howdah_tree_list(b, in->contype == CONSTR_FOREIGN ? in->fk_attrs : in->keys);
  out->kids[2] = howdah_tree_convert(b, in->pktable);
  out->kids[3] = howdah_tree_list(b, in->pk_attrs);
  if (in->indexname != NULL) out->flags |= TREE_FLAG_IS; /* USING INDEX: its columns are not told */
  return out;
}

static TreeNode* column_def(TreeBuilder* b, const ColumnDef* in) {
  TreeNode* out = howdah_tree_node(b, TREE_COLUMN_DEF, in->location, 2);
  out->text = howdah_tree_copy(b, in->colname);
  out->number = in->identity;
  out->kids[0] = howdah_tree_convert(b, in->typeName);
  out->kids[1] = howdah_tree_list(b, in->constraints);
  if (in->collClause != NULL) out->flags |= TREE_FLAG_COLLATED;
  return out;
}

static TreeNode* create_table(TreeBuilder* b, const CreateStmt* in) {
  TreeNode* out = utility(b, TREE_U_CREATE_TABLE, NULL, 5);
  out->kids[0] = howdah_tree_convert(b, in->relation);
  out->kids[1] = howdah_tree_list(b, in->tableElts);
  out->kids[in->partbound == NULL ? 2 : 3] = howdah_tree_list(b, in->inhRelations);
  out->kids[4] = howdah_tree_list(b, in->constraints);
  out->number = in->oncommit == ONCOMMIT_DROP;
  return flagged(out, in->ofTypename != NULL, in->if_not_exists);
}

static TreeNode* copy(TreeBuilder* b, const CopyStmt* in) {
  TreeNode* out = utility(b, TREE_U_COPY, in->filename, 5);
  out->kids[0] = howdah_tree_convert(b, in->relation);
  out->kids[1] = howdah_tree_convert(b, in->query);
  out->kids[2] = howdah_tree_list(b, in->attlist);
  out->kids[3] = howdah_tree_list(b, in->options);
  out->kids[4] = howdah_tree_convert(b, in->whereClause);
  return flagged(out, in->is_from, in->is_program);
}

static int alter_kind(const AlterTableCmd* in) {
  switch (in->subtype) {
    case AT_AddColumn: return TREE_ALTER_ADD_COLUMN;
    case AT_AddConstraint: return TREE_ALTER_ADD_CONSTRAINT;
    case AT_DropColumn: return TREE_ALTER_DROP_COLUMN;
    case AT_AlterColumnType: return TREE_ALTER_COLUMN_TYPE;
    case AT_AttachPartition: return TREE_ALTER_ATTACH;
    case AT_DetachPartition:
      return in->def != NULL && IsA(in->def, PartitionCmd) && ((const PartitionCmd*)in->def)->concurrent
                 ? TREE_ALTER_DETACH_CONCURRENTLY
                 : TREE_ALTER_DETACH;
    case AT_AddInherit:
    case AT_DropInherit: return TREE_ALTER_INHERIT;
    case AT_DropNotNull: return TREE_ALTER_DROP_NOT_NULL;
    case AT_AddIdentity: return TREE_ALTER_ADD_IDENTITY;
    case AT_ColumnDefault: return TREE_ALTER_DEFAULT;
    default: return TREE_ALTER_OTHER;
  }
}

static TreeNode* alter_cmd(TreeBuilder* b, const AlterTableCmd* in) {
  TreeNode* out = howdah_tree_node(b, TREE_ALTER_CMD, -1, 1);
  out->op = (uint8_t)alter_kind(in);
  out->text = howdah_tree_copy(b, in->name);
  if (out->op != TREE_ALTER_OTHER) out->kids[0] = howdah_tree_convert(b, in->def);
  return out;
}

static TreeNode* index_stmt(TreeBuilder* b, const IndexStmt* in) {
  TreeNode* out = utility(b, TREE_U_INDEX, in->idxname, 3);
  out->kids[0] = howdah_tree_convert(b, in->relation);
  out->kids[1] = howdah_tree_list(b, in->indexParams);
  out->kids[2] = howdah_tree_convert(b, in->whereClause);
  return flagged(out, in->unique, in->concurrent);
}

static int object_kind(ObjectType type) {
  switch (type) {
    case OBJECT_TABLE: return TREE_OBJ_TABLE;
    case OBJECT_INDEX: return TREE_OBJ_INDEX;
    case OBJECT_COLUMN: return TREE_OBJ_COLUMN;
    case OBJECT_SCHEMA: return TREE_OBJ_SCHEMA;
    case OBJECT_VIEW:
    case OBJECT_MATVIEW: return TREE_OBJ_VIEW;
    default: return TREE_OBJ_OTHER;
  }
}

static TreeNode* drop(TreeBuilder* b, const DropStmt* in) {
  TreeNode* out = utility(b, TREE_U_DROP, NULL, 1);
  out->number = object_kind(in->removeType);
  /* Names of tables and the like are lists of strings; other objects' names are not needed. */
  if (out->number == TREE_OBJ_TABLE || out->number == TREE_OBJ_INDEX) out->kids[0] = howdah_tree_list(b, in->objects);
  return flagged(out, in->concurrent, in->behavior == DROP_CASCADE);
}

static TreeNode* rename_stmt(TreeBuilder* b, const RenameStmt* in) {
  TreeNode* out = utility(b, TREE_U_RENAME, in->newname, 2);
  out->number = object_kind(in->renameType);
  out->kids[0] = howdah_tree_convert(b, in->relation);
  if (in->subname != NULL) {
    out->kids[1] = howdah_tree_node(b, TREE_STRING, -1, 0);
    out->kids[1]->text = howdah_tree_copy(b, in->subname);
  }
  return out;
}

static TreeNode* set(TreeBuilder* b, const VariableSetStmt* in) {
  TreeNode* out = with_items(b, TREE_U_SET, in->name, NULL, in->args);
  out->number = in->kind;
  return flagged(out, in->is_local, false);
}

static bool reindex_concurrently(const List* params) {
  for (int i = 0; i < list_length(params); ++i) {
    if (strcmp(((const DefElem*)list_nth(params, i))->defname, "concurrently") == 0) return true;
  }
  return false;
}

static TreeNode* vacuum(TreeBuilder* b, const VacuumStmt* in) {
  TreeNode* out = utility(b, TREE_U_VACUUM, NULL, (uint32_t)list_length(in->rels));
  for (uint32_t i = 0; i < out->count; ++i) {
    out->kids[i] = howdah_tree_convert(b, ((const VacuumRelation*)list_nth(in->rels, (int)i))->relation);
  }
  return flagged(out, in->is_vacuumcmd, false);
}

#define AS(Type) ((const Type*)in)

static TreeNode* session(TreeBuilder* b, const Node* in) {
  switch (nodeTag(in)) {
    case T_TransactionStmt: return transaction(b, AS(TransactionStmt));
    case T_VariableSetStmt: return set(b, AS(VariableSetStmt));
    case T_VariableShowStmt: return utility(b, TREE_U_SHOW, AS(VariableShowStmt)->name, 0);
    case T_DiscardStmt: return numbered(b, TREE_U_DISCARD, AS(DiscardStmt)->target);
    case T_PrepareStmt:
      return with_items(b, TREE_U_PREPARE, AS(PrepareStmt)->name, AS(PrepareStmt)->query, AS(PrepareStmt)->argtypes);
    case T_ExecuteStmt: return with_items(b, TREE_U_EXECUTE, AS(ExecuteStmt)->name, NULL, AS(ExecuteStmt)->params);
    case T_DeallocateStmt: return utility(b, TREE_U_DEALLOCATE, AS(DeallocateStmt)->name, 0);
    case T_DeclareCursorStmt:
    {
      TreeNode* out = with_items(b, TREE_U_DECLARE, AS(DeclareCursorStmt)->portalname, AS(DeclareCursorStmt)->query, NIL);
      out->number = AS(DeclareCursorStmt)->options;
      return flagged(out, (AS(DeclareCursorStmt)->options & CURSOR_OPT_HOLD) != 0, false);
    }
    case T_FetchStmt: return flagged(utility(b, TREE_U_FETCH, AS(FetchStmt)->portalname, 0), AS(FetchStmt)->ismove, false);
    case T_ClosePortalStmt: return utility(b, TREE_U_CLOSE, AS(ClosePortalStmt)->portalname, 0);
    case T_ListenStmt: return utility(b, TREE_U_LISTEN, AS(ListenStmt)->conditionname, 0);
    case T_UnlistenStmt: return utility(b, TREE_U_UNLISTEN, AS(UnlistenStmt)->conditionname, 0);
    case T_NotifyStmt: return utility(b, TREE_U_NOTIFY, AS(NotifyStmt)->conditionname, 0);
    case T_LockStmt: {
      TreeNode* out = with_items(b, TREE_U_LOCK, NULL, NULL, AS(LockStmt)->relations);
      out->number = AS(LockStmt)->mode;
      return out;
    }
    case T_ExplainStmt: return with_items(b, TREE_U_EXPLAIN, NULL, AS(ExplainStmt)->query, AS(ExplainStmt)->options);
    case T_CallStmt: return with_items(b, TREE_U_CALL, NULL, AS(CallStmt)->funccall, NIL);
    case T_DoStmt: return utility(b, TREE_U_DO, NULL, 0);
    case T_LoadStmt: return utility(b, TREE_U_LOAD, NULL, 0);
    case T_ConstraintsSetStmt: return utility(b, TREE_U_CONSTRAINTS, NULL, 0);
    default: return NULL;
  }
}

static TreeNode* tables(TreeBuilder* b, const Node* in) {
  switch (nodeTag(in)) {
    case T_CopyStmt: return copy(b, AS(CopyStmt));
    case T_TruncateStmt:
      return flagged(with_items(b, TREE_U_TRUNCATE, NULL, NULL, AS(TruncateStmt)->relations),
                     AS(TruncateStmt)->restart_seqs, AS(TruncateStmt)->behavior == DROP_CASCADE);
    case T_CreateStmt: return create_table(b, AS(CreateStmt));
    case T_CreateTableAsStmt: {
      TreeNode* out = pair(b, TREE_U_CREATE_TABLE_AS, AS(CreateTableAsStmt)->into->rel, AS(CreateTableAsStmt)->query);
      out->number = AS(CreateTableAsStmt)->into->onCommit == ONCOMMIT_DROP;
      return flagged(out, AS(CreateTableAsStmt)->objtype == OBJECT_MATVIEW, AS(CreateTableAsStmt)->if_not_exists);
    }
    case T_IndexStmt: return index_stmt(b, AS(IndexStmt));
    case T_AlterTableStmt: {
      TreeNode* out = with_items(b, TREE_U_ALTER_TABLE, NULL, AS(AlterTableStmt)->relation, AS(AlterTableStmt)->cmds);
      out->number = object_kind(AS(AlterTableStmt)->objtype);
      return out;
    }
    case T_ViewStmt: return pair(b, TREE_U_VIEW, AS(ViewStmt)->view, AS(ViewStmt)->query);
    case T_DropStmt: return drop(b, AS(DropStmt));
    case T_RenameStmt: return rename_stmt(b, AS(RenameStmt));
    case T_AlterObjectSchemaStmt: {
      TreeNode* out = utility(b, TREE_U_RENAME, AS(AlterObjectSchemaStmt)->newschema, 2);
      out->number = object_kind(AS(AlterObjectSchemaStmt)->objectType);
      out->kids[0] = howdah_tree_convert(b, AS(AlterObjectSchemaStmt)->relation);
      return out;
    }
    case T_CreateSeqStmt: return with_items(b, TREE_U_SEQUENCE, NULL, AS(CreateSeqStmt)->sequence, NIL);
    case T_AlterSeqStmt: return with_items(b, TREE_U_SEQUENCE, NULL, AS(AlterSeqStmt)->sequence, NIL);
    case T_RuleStmt: return with_items(b, TREE_U_RULE, NULL, AS(RuleStmt)->relation, NIL);
    case T_CreatePolicyStmt: return with_items(b, TREE_U_POLICY, NULL, AS(CreatePolicyStmt)->table, NIL);
    case T_CreateTrigStmt: return with_items(b, TREE_U_TRIGGER, NULL, AS(CreateTrigStmt)->relation, NIL);
    case T_VacuumStmt: return vacuum(b, AS(VacuumStmt));
    case T_ReindexStmt: {
      TreeNode* out = with_items(b, TREE_U_REINDEX, NULL, AS(ReindexStmt)->relation, NIL);
      out->number = AS(ReindexStmt)->kind;
      return flagged(out, reindex_concurrently(AS(ReindexStmt)->params), false);
    }
    case T_ClusterStmt: return with_items(b, TREE_U_CLUSTER, NULL, AS(ClusterStmt)->relation, NIL);
    case T_RefreshMatViewStmt:
      return flagged(with_items(b, TREE_U_REFRESH, NULL, AS(RefreshMatViewStmt)->relation, NIL),
                     AS(RefreshMatViewStmt)->concurrent, false);
    case T_DefElem: return option(b, AS(DefElem));
    case T_Constraint: return constraint(b, AS(Constraint));
    case T_ColumnDef: return column_def(b, AS(ColumnDef));
    case T_AlterTableCmd: return alter_cmd(b, AS(AlterTableCmd));
    case T_TableLikeClause: {
      TreeNode* out = howdah_tree_node(b, TREE_LIKE, -1, 1);
      out->number = (int32_t)AS(TableLikeClause)->options;
      out->kids[0] = howdah_tree_convert(b, AS(TableLikeClause)->relation);
      return out;
    }
    case T_PartitionCmd: return howdah_tree_convert(b, AS(PartitionCmd)->name);
    default: return NULL;
  }
}

static TreeNode* rest(TreeBuilder* b, const Node* in) {
  switch (nodeTag(in)) {
    case T_CreateSchemaStmt: /* with tables in it, they would escape the rules */
      return numbered(b, AS(CreateSchemaStmt)->schemaElts == NIL ? TREE_U_DDL : TREE_U_OTHER, (int)nodeTag(in));
    case T_CheckPointStmt: return utility(b, TREE_U_CHECKPOINT, NULL, 0);
    case T_AlterSystemStmt: return utility(b, TREE_U_SERVER, NULL, 0);
    case T_CreatedbStmt:
    case T_DropdbStmt:
    case T_AlterDatabaseStmt:
    case T_CreateTableSpaceStmt:
    case T_DropTableSpaceStmt:
    case T_CreateSubscriptionStmt:
    case T_DropSubscriptionStmt: return numbered(b, TREE_U_DDL_ALONE, (int)nodeTag(in));
    case T_AlterDatabaseRefreshCollStmt:
    case T_AlterDatabaseSetStmt:
    case T_AlterDomainStmt:
    case T_GrantStmt:
    case T_GrantRoleStmt:
    case T_AlterDefaultPrivilegesStmt:
    case T_DefineStmt:
    case T_CommentStmt:
    case T_CreateFunctionStmt:
    case T_AlterFunctionStmt:
    case T_CreateDomainStmt:
    case T_CreatePLangStmt:
    case T_CreateRoleStmt:
    case T_AlterRoleStmt:
    case T_DropRoleStmt:
    case T_AlterRoleSetStmt:
    case T_CreateConversionStmt:
    case T_CreateCastStmt:
    case T_CreateOpClassStmt:
    case T_CreateOpFamilyStmt:
    case T_AlterOpFamilyStmt:
    case T_AlterObjectDependsStmt:
    case T_AlterOwnerStmt:
    case T_AlterOperatorStmt:
    case T_AlterTypeStmt:
    case T_DropOwnedStmt:
    case T_ReassignOwnedStmt:
    case T_CompositeTypeStmt:
    case T_CreateEnumStmt:
    case T_CreateRangeStmt:
    case T_AlterEnumStmt:
    case T_AlterTSDictionaryStmt:
    case T_AlterTSConfigurationStmt:
    case T_CreateFdwStmt:
    case T_AlterFdwStmt:
    case T_CreateForeignServerStmt:
    case T_AlterForeignServerStmt:
    case T_CreateForeignTableStmt:
    case T_CreateUserMappingStmt:
    case T_AlterUserMappingStmt:
    case T_DropUserMappingStmt:
    case T_AlterTableSpaceOptionsStmt:
    case T_AlterTableMoveAllStmt:
    case T_SecLabelStmt:
    case T_ImportForeignSchemaStmt:
    case T_CreateExtensionStmt:
    case T_AlterExtensionStmt:
    case T_AlterExtensionContentsStmt:
    case T_CreateEventTrigStmt:
    case T_AlterEventTrigStmt:
    case T_AlterPolicyStmt:
    case T_CreateTransformStmt:
    case T_CreateAmStmt:
    case T_CreatePublicationStmt:
    case T_AlterPublicationStmt:
    case T_AlterSubscriptionStmt:
    case T_CreateStatsStmt:
    case T_AlterCollationStmt:
    case T_AlterStatsStmt: return numbered(b, TREE_U_DDL, (int)nodeTag(in));
    default: {
      TreeNode* out = howdah_tree_node(b, TREE_UNKNOWN, -1, 0);
      out->number = (int32_t)nodeTag(in);
      return out;
    }
  }
}

TreeNode* howdah_tree_utility(TreeBuilder* b, const Node* in) {
  TreeNode* out = session(b, in);
  if (out == NULL) out = tables(b, in);
  return out == NULL ? rest(b, in) : out;
}
