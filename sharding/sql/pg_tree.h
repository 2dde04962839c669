/* A statement's parse tree in a form of our own: one node type, owned by one arena, readable without PostgreSQL's headers.
   pg_tree.c fills it from libpg_query's tree; the analyzer walks it. C, because the server headers are C. */
#ifndef HOWDAH_SHARDING_SQL_PG_TREE_H
#define HOWDAH_SHARDING_SQL_PG_TREE_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a node is. Behind each: what `text`, `qualifier`, `op`, `number`, flags and `kids` hold (kids may be null). */
enum TreeKind {
  TREE_LIST,          /* kids: items */
  TREE_STRING,        /* text */
  TREE_STAR,
  TREE_CONST,         /* op: TreeConst; text: the value as PostgreSQL holds it; number: of an int4 or a boolean */
  TREE_PARAM,         /* number: n of $n */
  TREE_COLUMN,        /* kids: TREE_STRING or TREE_STAR, outermost qualifier first */
  TREE_EXPR,          /* op: A_Expr_Kind as TreeExpr; text: operator; qualifier: its schema; kids: left, right */
  TREE_BOOL,          /* op: TreeBool; kids: arguments */
  TREE_NULL_TEST,     /* op: 1 for IS NOT NULL; kids: argument */
  TREE_CAST,          /* kids: argument, TREE_TYPE */
  TREE_TYPE,          /* text: name; qualifier: schema; number: array dimensions; kids: modifiers; TREE_FLAG_SETOF */
  TREE_COLLATE,       /* kids: argument */
  TREE_FUNC,          /* text: name; qualifier: schema; kids: args, agg_order, filter, over; flags STAR DISTINCT VARIADIC */
  TREE_NAMED_ARG,     /* text: name; kids: argument */
  TREE_SUBLINK,       /* op: TreeSubLink; text: operator or null; qualifier: its schema; kids: test, subselect */
  TREE_SQL_VALUE,     /* CURRENT_TIMESTAMP and its like; op: SQLValueFunctionOp */
  TREE_DEFAULT,       /* DEFAULT */
  TREE_CURRENT_OF,    /* text: cursor name, null when $n */
  TREE_ROW,           /* kids: items */
  TREE_ARRAY,         /* ARRAY[...]; kids: items */
  TREE_OTHER_EXPR,    /* an expression only its kids of which matter: CASE, COALESCE, x[1], (x).y, XML...; text: the name that a
                         column of it has, null when that depends on more */
  TREE_TARGET,        /* ResTarget; text: name or null; kids: value, TREE_LIST of indirection */
  TREE_MULTI_ASSIGN,  /* number: column from 1; kids: source */
  TREE_SORT_BY,       /* op: TreeSortDir; number: TreeSortNulls; kids: expression; TREE_FLAG_QUALIFIED: USING a
                         schema-qualified operator */
  TREE_WINDOW,        /* text: name; qualifier: the window it refers to; kids: partition list, order list, start, end */
  TREE_GROUPING_SET,  /* op: GroupingSetKind; kids: items */
  TREE_RANGE_VAR,     /* text: name; qualifier: schema; number: relpersistence; flags INHERIT; kids: TREE_ALIAS */
  TREE_ALIAS,         /* text: name; kids: TREE_STRING column names */
  TREE_RANGE_SUBSELECT, /* kids: query, alias; LATERAL */
  TREE_RANGE_FUNCTION,  /* kids: list of expressions, alias, list of TREE_COLUMN_DEF; flags LATERAL, ORDINALITY */
  TREE_RANGE_TABLE_FUNC,/* XMLTABLE; kids: list of expressions, alias, list of TREE_COLUMN_DEF */
  TREE_RANGE_SAMPLE,    /* kids: relation, list of expressions */
  TREE_JOIN,          /* op: TreeJoin; kids: left, right, condition, USING list, alias, alias of USING; flag NATURAL */
  TREE_WITH,          /* kids: TREE_CTE; flag RECURSIVE */
  TREE_CTE,           /* text: name; kids: query, list of column names, SEARCH/CYCLE list; number: 1 with SEARCH or CYCLE */
  TREE_LOCKING,       /* op: LockClauseStrength; number: LockWaitPolicy; kids: TREE_RANGE_VAR */
  TREE_ON_CONFLICT,   /* op: 2 for DO UPDATE; text: constraint name; kids: targets (list of TREE_STRING or expressions),
                         index predicate, SET list, WHERE */
  TREE_MERGE_WHEN,    /* op: TreeMerge; flag MATCHED; kids: condition, target list, values list */
  TREE_SELECT,        /* op: TreeSetOp; flags ALL, DISTINCT, WITH_TIES; kids: TreeSelectKid */
  TREE_INSERT,        /* number: OverridingKind; kids: TreeInsertKid */
  TREE_UPDATE,        /* kids: TreeUpdateKid */
  TREE_DELETE,        /* kids: TreeDeleteKid */
  TREE_MERGE,         /* kids: TreeMergeKid */
  TREE_INTO,          /* SELECT INTO; kids: TREE_RANGE_VAR */
  TREE_OPTION,        /* DefElem; text: name; qualifier: namespace; kids: argument */
  TREE_COLUMN_DEF,    /* text: name; number: identity as a char, 0 for none; kids: type, list of TREE_CONSTRAINT;
                         flags NOT_NULL (as a constraint: see its list), COLLATED */
  TREE_CONSTRAINT,    /* op: TreeConstraint; text: name; kids: expression, keys, TREE_RANGE_VAR of the referenced table,
                         referenced columns, exclusion operators list */
  TREE_LIKE,          /* CREATE TABLE (LIKE ...); number: options; kids: TREE_RANGE_VAR */
  TREE_INDEX_ELEM,    /* text: column or null; kids: expression */
  TREE_ALTER_CMD,     /* op: TreeAlter; text: name; kids: definition */
  TREE_UTILITY,       /* op: TreeUtility; the rest by op: see pg_tree_utility.c */
  TREE_UNKNOWN        /* number: NodeTag. What we do not read is never proven */
};

enum TreeConst { TREE_CONST_NULL, TREE_CONST_INT, TREE_CONST_FLOAT, TREE_CONST_STRING, TREE_CONST_BIT, TREE_CONST_BOOL };
enum TreeBool { TREE_AND, TREE_OR, TREE_NOT };
enum TreeExpr {
  TREE_OP, TREE_OP_ANY, TREE_OP_ALL, TREE_IS_DISTINCT, TREE_IS_NOT_DISTINCT, TREE_NULLIF, TREE_IN, TREE_LIKE_OP,
  TREE_BETWEEN_OP
};
enum TreeSubLink { TREE_EXISTS, TREE_ALL, TREE_ANY, TREE_SCALAR, TREE_ARRAY_SUB, TREE_MULTI, TREE_SUBLINK_OTHER };
enum TreeJoin { TREE_INNER, TREE_LEFT, TREE_FULL, TREE_RIGHT };
enum TreeSortDir { TREE_SORT_DEFAULT, TREE_SORT_ASC, TREE_SORT_DESC, TREE_SORT_USING };
enum TreeSortNulls { TREE_NULLS_DEFAULT, TREE_NULLS_FIRST, TREE_NULLS_LAST };
enum TreeSetOp { TREE_LEAF, TREE_UNION, TREE_INTERSECT, TREE_EXCEPT };
enum TreeMerge { TREE_MERGE_NOTHING, TREE_MERGE_INSERT, TREE_MERGE_UPDATE, TREE_MERGE_DELETE };
enum TreeConstraint {
  TREE_CON_OTHER, TREE_CON_NOT_NULL, TREE_CON_DEFAULT, TREE_CON_IDENTITY, TREE_CON_GENERATED, TREE_CON_CHECK,
  TREE_CON_PRIMARY, TREE_CON_UNIQUE, TREE_CON_EXCLUSION, TREE_CON_FOREIGN
};
enum TreeAlter {
  TREE_ALTER_OTHER, TREE_ALTER_ADD_COLUMN, TREE_ALTER_ADD_CONSTRAINT, TREE_ALTER_DROP_COLUMN, TREE_ALTER_COLUMN_TYPE,
  TREE_ALTER_ATTACH, TREE_ALTER_DETACH, TREE_ALTER_DETACH_CONCURRENTLY, TREE_ALTER_INHERIT, TREE_ALTER_DROP_NOT_NULL,
  TREE_ALTER_ADD_IDENTITY, TREE_ALTER_DEFAULT
};

enum TreeSelectKid {
  TREE_SELECT_WITH, TREE_SELECT_TARGETS, TREE_SELECT_FROM, TREE_SELECT_WHERE, TREE_SELECT_GROUP, TREE_SELECT_HAVING,
  TREE_SELECT_WINDOWS, TREE_SELECT_VALUES, TREE_SELECT_DISTINCT_ON, TREE_SELECT_SORT, TREE_SELECT_OFFSET,
  TREE_SELECT_LIMIT, TREE_SELECT_LOCKING, TREE_SELECT_INTO, TREE_SELECT_LEFT, TREE_SELECT_RIGHT, TREE_SELECT_KIDS
};
enum TreeInsertKid {
  TREE_INSERT_WITH, TREE_INSERT_RELATION, TREE_INSERT_COLUMNS, TREE_INSERT_SOURCE, TREE_INSERT_CONFLICT,
  TREE_INSERT_RETURNING, TREE_INSERT_KIDS
};
enum TreeUpdateKid {
  TREE_UPDATE_WITH, TREE_UPDATE_RELATION, TREE_UPDATE_SET, TREE_UPDATE_FROM, TREE_UPDATE_WHERE, TREE_UPDATE_RETURNING,
  TREE_UPDATE_KIDS
};
enum TreeDeleteKid {
  TREE_DELETE_WITH, TREE_DELETE_RELATION, TREE_DELETE_USING, TREE_DELETE_WHERE, TREE_DELETE_RETURNING, TREE_DELETE_KIDS
};
enum TreeMergeKid {
  TREE_MERGE_WITH, TREE_MERGE_RELATION, TREE_MERGE_SOURCE, TREE_MERGE_ON, TREE_MERGE_ACTIONS, TREE_MERGE_KIDS
};

enum TreeFlag {
  TREE_FLAG_STAR = 1, TREE_FLAG_DISTINCT = 2, TREE_FLAG_VARIADIC = 4, TREE_FLAG_LATERAL = 8, TREE_FLAG_NATURAL = 16,
  TREE_FLAG_RECURSIVE = 32, TREE_FLAG_ALL = 64, TREE_FLAG_MATCHED = 128, TREE_FLAG_QUALIFIED = 256,
  TREE_FLAG_INHERIT = 512, TREE_FLAG_ORDINALITY = 1024, TREE_FLAG_WITH_TIES = 2048, TREE_FLAG_SETOF = 4096,
  TREE_FLAG_IS = 8192, /* utilities: the statement's own yes-or-no, see pg_tree_utility.c */
  TREE_FLAG_COLLATED = 16384
};

enum TreeUtility {
  /* op                        text             number          kids */
  TREE_U_BEGIN,             /* -                0                TREE_OPTION... */
  TREE_U_COMMIT,            /* -                -                flag IS: AND CHAIN */
  TREE_U_ROLLBACK,          /* as COMMIT */
  TREE_U_SAVEPOINT,         /* name */
  TREE_U_RELEASE,           /* name */
  TREE_U_ROLLBACK_TO,       /* name */
  TREE_U_PREPARE_TRANSACTION,  /* gid */
  TREE_U_COMMIT_PREPARED,      /* gid */
  TREE_U_ROLLBACK_PREPARED,    /* gid */
  TREE_U_SET,               /* name             VariableSetKind  arguments; flag IS: LOCAL */
  TREE_U_SHOW,              /* name */
  TREE_U_DISCARD,           /* -                DiscardMode */
  TREE_U_PREPARE,           /* name             -                statement, types... */
  TREE_U_EXECUTE,           /* name             -                list of arguments */
  TREE_U_DEALLOCATE,        /* name, null: ALL */
  TREE_U_DECLARE,           /* name             CURSOR_OPT_...   statement; flag IS: WITH HOLD */
  TREE_U_FETCH,             /* name             -                flag IS: MOVE */
  TREE_U_CLOSE,             /* name, null: ALL */
  TREE_U_LISTEN,            /* channel */
  TREE_U_UNLISTEN,          /* channel, null: * */
  TREE_U_NOTIFY,            /* channel */
  TREE_U_LOCK,              /* -                mode             relations */
  TREE_U_EXPLAIN,           /* -                -                statement, options... */
  TREE_U_CALL,              /* -                -                TREE_FUNC */
  TREE_U_DO,
  TREE_U_COPY,              /* file name        -                relation, query, column names, options, where; flags
                                                                  IS: FROM, ALL: PROGRAM */
  TREE_U_TRUNCATE,          /* -                -                relations; flag IS: RESTART IDENTITY, ALL: CASCADE */
  TREE_U_CREATE_TABLE,      /* -                1: ON COMMIT DROP relation, elements, inherited, partition of (list with
                                                                  one item when PARTITION OF), constraints; flag IS: OF type */
  TREE_U_CREATE_TABLE_AS,   /* -                1: ON COMMIT DROP relation, query; flag IS: materialized view */
  TREE_U_INDEX,             /* name             -                relation, elements, where; flags IS: UNIQUE,
                                                                  ALL: CONCURRENTLY */
  TREE_U_ALTER_TABLE,       /* -                ObjectType       relation, commands */
  TREE_U_VIEW,              /* -                -                relation, query */
  TREE_U_DROP,              /* -                TreeObject       names (list of TREE_LIST); flag IS: CONCURRENTLY */
  TREE_U_RENAME,            /* new name, schema TreeObject       relation, column (of RENAME COLUMN) */
  TREE_U_SEQUENCE,          /* -                -                relation: CREATE and ALTER */
  TREE_U_RULE,              /* -                -                relation */
  TREE_U_POLICY,            /* -                -                relation */
  TREE_U_TRIGGER,           /* -                -                relation */
  TREE_U_DDL,               /* any other change of the catalog that may run in a transaction block; number: NodeTag */
  TREE_U_DDL_ALONE,         /* any other change that PostgreSQL refuses in a transaction block: databases, tablespaces */
  TREE_U_SERVER,            /* ALTER SYSTEM: about one server */
  TREE_U_VACUUM,            /* -                -                relations; flag IS: VACUUM (else ANALYZE) */
  TREE_U_REINDEX,           /* -                ReindexObjectType relation; flag IS: CONCURRENTLY */
  TREE_U_CLUSTER,           /* -                -                relation */
  TREE_U_REFRESH,           /* -                -                relation; flag IS: CONCURRENTLY */
  TREE_U_CHECKPOINT,
  TREE_U_LOAD,
  TREE_U_CONSTRAINTS,       /* SET CONSTRAINTS */
  TREE_U_OTHER              /* number: NodeTag */
};
enum TreeObject { TREE_OBJ_OTHER, TREE_OBJ_TABLE, TREE_OBJ_INDEX, TREE_OBJ_COLUMN, TREE_OBJ_SCHEMA, TREE_OBJ_VIEW };

typedef struct TreeNode {
  uint8_t kind;               /* TreeKind */
  uint8_t op;
  uint16_t flags;
  int32_t location;           /* byte offset in the text, -1 unknown */
  int32_t number;
  uint32_t count;             /* of kids */
  const char* text;
  const char* qualifier;
  struct TreeNode** kids;
} TreeNode;

typedef struct TreeStatement {
  TreeNode* node;
  uint32_t begin, end;        /* byte range in the text as the grammar gives it: leading space may be included */
} TreeStatement;

enum TreeStatus { TREE_OK, TREE_SYNTAX_ERROR, TREE_TOO_DEEP, TREE_NO_MEMORY };

typedef struct Tree {
  int status;                 /* TreeStatus */
  TreeStatement* statements;
  uint32_t count;
  const char* error;          /* TREE_SYNTAX_ERROR: PostgreSQL's message */
  int error_position;         /* from 1 in characters, 0 unknown */
  void* arena;
} Tree;

/* Parses `sql` (terminated by a zero) by PostgreSQL 15's grammar. `max_depth` bounds how deep nodes nest; deeper text is
   TREE_TOO_DEEP. Thread-safe. Every result is to be given to howdah_tree_free. */
Tree howdah_tree_parse(const char* sql, bool standard_conforming_strings, int max_depth);
void howdah_tree_free(Tree* tree);

#ifdef __cplusplus
}
#endif

#endif
