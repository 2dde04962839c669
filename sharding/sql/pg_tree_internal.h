/* Shared by pg_tree.c and pg_tree_utility.c only: the arena, and building nodes in it. */
#ifndef HOWDAH_SHARDING_SQL_PG_TREE_INTERNAL_H
#define HOWDAH_SHARDING_SQL_PG_TREE_INTERNAL_H

#include <setjmp.h>
#include <stddef.h>

#include "postgres.h"
#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"

#include "sharding/sql/pg_tree.h"

typedef struct TreeBuilder {
  void* arena;
  int depth;
  int max_depth;
  jmp_buf fail;  /* longjmp with a TreeStatus: only frames of ours lie between */
} TreeBuilder;

char* howdah_tree_copy(TreeBuilder* b, const char* text);
TreeNode* howdah_tree_node(TreeBuilder* b, int kind, int location, uint32_t kids);
TreeNode* howdah_tree_list(TreeBuilder* b, const List* list);            /* null for NIL */
TreeNode* howdah_tree_append(TreeBuilder* b, const List* first, const List* second);
TreeNode* howdah_tree_convert(TreeBuilder* b, const void* node);         /* null for null */
void howdah_tree_name(TreeBuilder* b, TreeNode* out, const List* names); /* last two: text and qualifier */
TreeNode* howdah_tree_query(TreeBuilder* b, const Node* node);           /* queries, and on to utility */
TreeNode* howdah_tree_utility(TreeBuilder* b, const Node* node);

#endif
