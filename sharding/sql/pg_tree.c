/* libpg_query's parse tree -> TreeNode. Compiled against PostgreSQL 15's server headers, whose structures libpg_query 15
   shares; tests/pg_tree_test.cc proves that the node tags agree. */
#include "sharding/sql/pg_tree_internal.h"

#include <stdlib.h>
#include <string.h>

#include "pg_query.h"
#include "utils/palloc.h"

/* Exported by libpg_query; as its pg_query_internal.h declares them, which does not compile as C with warnings on. */
typedef struct {
  List* tree;
  char* stderr_buffer;
  PgQueryError* error;
} PgQueryInternalParsetreeAndError;
PgQueryInternalParsetreeAndError pg_query_raw_parse(const char* input);
MemoryContext pg_query_enter_memory_context(void);
void pg_query_exit_memory_context(MemoryContext context);
void pg_query_free_error(PgQueryError* error);
extern __thread bool standard_conforming_strings;
extern __thread bool escape_string_warning;

/* ---- arena ---- */

enum { kChunkBytes = 8192 };

typedef struct Chunk {
  struct Chunk* next;
  size_t used, size;
  char bytes[] __attribute__((aligned(8)));
} Chunk;

static void* take(TreeBuilder* b, size_t size) {
  Chunk* chunk = b->arena;
  size = (size + 7) & ~(size_t)7;
  if (chunk == NULL || chunk->size - chunk->used < size) {
    const size_t room = size > kChunkBytes ? size : kChunkBytes;
    Chunk* fresh = malloc(sizeof(Chunk) + room);
    if (fresh == NULL) longjmp(b->fail, TREE_NO_MEMORY);
    fresh->next = chunk;
    fresh->used = 0;
    fresh->size = room;
    b->arena = chunk = fresh;
  }
  void* taken = chunk->bytes + chunk->used;
  chunk->used += size;
  return memset(taken, 0, size);
}

char* howdah_tree_copy(TreeBuilder* b, const char* text) {
  if (text == NULL) return NULL;
  const size_t size = strlen(text) + 1;
  return memcpy(take(b, size), text, size);
}

TreeNode* howdah_tree_node(TreeBuilder* b, int kind, int location, uint32_t kids) {
  TreeNode* node = take(b, sizeof(TreeNode));
  node->kind = (uint8_t)kind;
  node->location = location;
  node->count = kids;
  if (kids > 0) node->kids = take(b, kids * sizeof(TreeNode*));
  return node;
}

TreeNode* howdah_tree_append(TreeBuilder* b, const List* first, const List* second) {
  const int n = list_length(first), m = list_length(second);
  if (n + m == 0) return NULL;
  TreeNode* out = howdah_tree_node(b, TREE_LIST, -1, (uint32_t)(n + m));
  for (int i = 0; i < n; ++i) out->kids[i] = howdah_tree_convert(b, list_nth(first, i));
  for (int i = 0; i < m; ++i) out->kids[n + i] = howdah_tree_convert(b, list_nth(second, i));
  return out;
}

TreeNode* howdah_tree_list(TreeBuilder* b, const List* list) { return howdah_tree_append(b, list, NIL); }

void howdah_tree_name(TreeBuilder* b, TreeNode* out, const List* names) {
  const int n = list_length(names);
  if (n > 0) out->text = howdah_tree_copy(b, strVal(list_nth(names, n - 1)));
  if (n > 1) out->qualifier = howdah_tree_copy(b, strVal(list_nth(names, n - 2)));
}

TreeNode* howdah_tree_convert(TreeBuilder* b, const void* in) {
  if (in == NULL) return NULL;
  if (++b->depth > b->max_depth) longjmp(b->fail, TREE_TOO_DEEP);
  TreeNode* out = howdah_tree_query(b, in);
  --b->depth;
  return out;
}

/* ---- parsing ---- */

static void build(Tree* tree, TreeBuilder* b, const List* statements, size_t text_size) {
  const int status = setjmp(b->fail);
  if (status != 0) {
    tree->status = status;
    tree->count = 0;
    return;
  }
  const uint32_t count = (uint32_t)list_length(statements);
  tree->statements = take(b, (count + 1) * sizeof(TreeStatement));
  for (uint32_t i = 0; i < count; ++i) {
    const RawStmt* raw = list_nth(statements, (int)i);
    TreeStatement* out = &tree->statements[i];
    out->begin = raw->stmt_location < 0 ? 0 : (uint32_t)raw->stmt_location;
    out->end = raw->stmt_len == 0 ? (uint32_t)text_size : out->begin + (uint32_t)raw->stmt_len;
    b->depth = 0;
    out->node = howdah_tree_convert(b, raw->stmt);
  }
  tree->count = count;
}

Tree howdah_tree_parse(const char* sql, bool strings_conform, int max_depth) {
  Tree tree = {TREE_OK, NULL, 0, NULL, 0, NULL};
  TreeBuilder builder;
  memset(&builder, 0, sizeof builder);
  builder.max_depth = max_depth;
  MemoryContext context = pg_query_enter_memory_context();
  standard_conforming_strings = strings_conform;
  escape_string_warning = false;
  PgQueryInternalParsetreeAndError parsed = pg_query_raw_parse(sql);
  standard_conforming_strings = true;
  free(parsed.stderr_buffer);
  if (parsed.error != NULL) {
    tree.status = TREE_SYNTAX_ERROR;
    tree.error_position = parsed.error->cursorpos;
    if (setjmp(builder.fail) == 0) tree.error = howdah_tree_copy(&builder, parsed.error->message);
    pg_query_free_error(parsed.error);
  } else {
    build(&tree, &builder, parsed.tree, strlen(sql));
  }
  pg_query_exit_memory_context(context);
  tree.arena = builder.arena;
  return tree;
}

void howdah_tree_free(Tree* tree) {
  for (Chunk* chunk = tree->arena; chunk != NULL;) {
    Chunk* next = chunk->next;
    free(chunk);
    chunk = next;
  }
  tree->arena = NULL;
}
