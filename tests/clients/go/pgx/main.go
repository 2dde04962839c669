// pgx v5 as applications use it: https://pkg.go.dev/github.com/jackc/pgx/v5
package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	. "howdah/tests/clients/go/suite"
)

type Ctx = context.Context

// withConns runs a test on n fresh connections; libpq's environment variables say where to.
func withConns(n int, run func(ctx Ctx, conns []*pgx.Conn) any, options ...func(*pgx.ConnConfig)) func(Ctx) (any, error) {
	return func(ctx Ctx) (any, error) {
		var conns []*pgx.Conn
		for range n {
			config := Must(pgx.ParseConfig(""))
			for _, option := range options {
				option(config)
			}
			conn := Must(pgx.ConnectConfig(ctx, config))
			defer conn.Close(context.Background())
			conns = append(conns, conn)
		}
		return run(ctx, conns), nil
	}
}

func with(run func(ctx Ctx, conn *pgx.Conn) any, options ...func(*pgx.ConnConfig)) func(Ctx) (any, error) {
	return withConns(1, func(ctx Ctx, conns []*pgx.Conn) any { return run(ctx, conns[0]) }, options...)
}

func mode(wanted pgx.QueryExecMode) func(*pgx.ConnConfig) {
	return func(config *pgx.ConnConfig) { config.DefaultQueryExecMode = wanted }
}

// state is the SQLSTATE and the message of what must be an error.
func state(err error) any {
	Expect(err != nil, "an error")
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return []any{server.Code, server.Message}
	}
	return fmt.Sprintf("%T", errors.Unwrap(err))
}

func exec(ctx Ctx, conn *pgx.Conn, sql string, args ...any) string {
	return Must(conn.Exec(ctx, sql, args...)).String()
}

func value[T any](ctx Ctx, conn interface {
	QueryRow(Ctx, string, ...any) pgx.Row
}, sql string, args ...any) T {
	var out T
	Check(conn.QueryRow(ctx, sql, args...).Scan(&out))
	return out
}

var modes = map[string]pgx.QueryExecMode{
	"cache_statement": pgx.QueryExecModeCacheStatement, "cache_describe": pgx.QueryExecModeCacheDescribe,
	"describe_exec": pgx.QueryExecModeDescribeExec, "exec": pgx.QueryExecModeExec, "simple": pgx.QueryExecModeSimpleProtocol,
}

func typesIn(name string) Test {
	return Test{"types_in_mode_" + name, with(func(ctx Ctx, conn *pgx.Conn) any {
		var seen []any
		for range 3 {
			var small int32
			var big int64
			var text, numeric, id string
			var yes bool
			var float float64
			var raw []byte
			var when time.Time
			var null *string
			var numbers []*int32
			var words []string
			var span pgtype.Range[pgtype.Int4]
			var body map[string]any
			Check(conn.QueryRow(ctx, "SELECT $1::int, $2::bigint, $3::text, $4::numeric::text, $5::uuid::text, $6::bool, $7::float8, $8::bytea,"+
				" $9::timestamptz, $10::text, $11::int[], $12::text[], '[1,10)'::int4range, $13::jsonb",
				7, int64(1)<<40, "tëxt", "12345678901234567890.000000001", "00000000-0000-0000-0000-00000000002a", true, 1.5, []byte{0, 255},
				time.Date(2024, 2, 29, 12, 30, 1, 5000, time.UTC), nil, []int32{1, 2, 3}, []string{"a,b", `"q"`, ""}, `{"a":1}`).
				Scan(&small, &big, &text, &numeric, &id, &yes, &float, &raw, &when, &null, &numbers, &words, &span, &body))
			seen = append(seen, []any{small, big, text, numeric, id, yes, float, raw, when.UTC(), null, numbers, words, span.Lower.Int32, span.Upper.Int32, body})
		}
		return seen
	}, mode(modes[name]))}
}

func connects(ctx Ctx, conn *pgx.Conn) any {
	pg := conn.PgConn()
	return []any{pg.ParameterStatus("server_version"), pg.ParameterStatus("client_encoding"), pg.ParameterStatus("session_authorization"),
		strings.Contains(fmt.Sprintf("%T", pg.Conn()), "tls"), value[string](ctx, conn, "SELECT current_user::text"), string(pg.TxStatus())}
}

func cacheOverflows(ctx Ctx, conn *pgx.Conn) any {
	var seen []int32
	for round := range 3 {
		for n := range 12 {
			seen = append(seen, value[int32](ctx, conn, fmt.Sprintf("SELECT $1::int + %d", n), round))
		}
	}
	return seen
}

func preparesByName(ctx Ctx, conn *pgx.Conn) any {
	statement := Must(conn.Prepare(ctx, "by_name", "SELECT $1::int + $2::int"))
	seen := []any{statement.ParamOIDs, value[int32](ctx, conn, "by_name", 1, 2)}
	Check(conn.Deallocate(ctx, "by_name"))
	again := Must(conn.Prepare(ctx, "by_name", "SELECT $1::text"))
	seen = append(seen, again.ParamOIDs, value[string](ctx, conn, "by_name", "x"))
	Check(conn.DeallocateAll(ctx))
	return append(seen, value[int32](ctx, conn, "SELECT $1::int", 5))
}

func sameNameTwoTexts(ctx Ctx, conns []*pgx.Conn) any {
	Must(conns[0].Prepare(ctx, "q", "SELECT $1::int * 2"))
	Must(conns[1].Prepare(ctx, "q", "SELECT 'x' || $1::text"))
	var seen []any
	for n := range 5 {
		seen = append(seen, value[int32](ctx, conns[0], "q", n), value[string](ctx, conns[1], "q", fmt.Sprint(n)))
	}
	return seen
}

func changedColumns(ctx Ctx, conns []*pgx.Conn) any {
	exec(ctx, conns[0], "CREATE TABLE grows (id int)")
	exec(ctx, conns[0], "INSERT INTO grows VALUES (1)")
	columns := func() (int, error) {
		rows, err := conns[0].Query(ctx, "SELECT * FROM grows")
		if err != nil {
			return 0, err
		}
		rows.Close()
		return len(rows.FieldDescriptions()), rows.Err()
	}
	before := Must(columns())
	exec(ctx, conns[1], "ALTER TABLE grows ADD COLUMN more text")
	// The driver drops a statement that failed so, and the next use prepares it again.
	_, _ = columns()
	return []any{before, Must(columns())}
}

func batches(ctx Ctx, conn *pgx.Conn) any {
	exec(ctx, conn, "CREATE TABLE batched (id int PRIMARY KEY)")
	batch := &pgx.Batch{}
	for n := range 200 {
		batch.Queue("INSERT INTO batched VALUES ($1)", n)
	}
	var count int
	batch.Queue("SELECT count(*) FROM batched").QueryRow(func(row pgx.Row) error { return row.Scan(&count) })
	Check(conn.SendBatch(ctx, batch).Close())
	bad := &pgx.Batch{}
	for _, n := range []int{1000, 5, 1001} {
		bad.Queue("INSERT INTO batched VALUES ($1)", n)
	}
	failed := state(conn.SendBatch(ctx, bad).Close())
	// A batch is one implicit transaction.
	return []any{count, failed, value[int](ctx, conn, "SELECT count(*) FROM batched")}
}

func pipelines(ctx Ctx, conn *pgx.Conn) any {
	pipeline := conn.PgConn().StartPipeline(ctx)
	pipeline.SendPrepare("p1", "SELECT $1::int4", nil)
	pipeline.SendQueryPrepared("p1", [][]byte{[]byte("1")}, nil, nil)
	pipeline.SendPipelineSync()
	pipeline.SendQueryParams("SELECT 1/$1::int", [][]byte{[]byte("0")}, nil, nil, nil)
	pipeline.SendQueryParams("SELECT 'skipped'", nil, nil, nil, nil)
	pipeline.SendPipelineSync()
	pipeline.SendQueryParams("SELECT 'goes on'", nil, nil, nil, nil)
	pipeline.SendDeallocate("p1")
	pipeline.SendPipelineSync()
	Check(pipeline.Flush())
	var seen []any
	for {
		results, err := pipeline.GetResults()
		if err != nil {
			seen = append(seen, state(err))
			continue
		}
		if results == nil {
			break
		}
		if reader, ok := results.(*pgconn.ResultReader); ok {
			result := reader.Read()
			if result.Err != nil {
				seen = append(seen, state(result.Err))
				continue
			}
			seen = append(seen, string(result.Rows[0][0]))
			continue
		}
		seen = append(seen, fmt.Sprintf("%T", results))
	}
	Check(pipeline.Close())
	return seen
}

func copies(ctx Ctx, conn *pgx.Conn) any {
	exec(ctx, conn, "CREATE TABLE copied (id int, name text, at timestamptz)")
	rows := make([][]any, 3000)
	for n := range rows {
		rows[n] = []any{n, fmt.Sprintf("n%d", n), time.Date(2024, 1, 1, 0, 0, n, 0, time.UTC)}
	}
	count := Must(conn.CopyFrom(ctx, pgx.Identifier{"copied"}, []string{"id", "name", "at"}, pgx.CopyFromRows(rows)))
	_, bad := conn.CopyFrom(ctx, pgx.Identifier{"copied"}, []string{"id"}, pgx.CopyFromFunc(func() ([]any, error) { return nil, errors.New("no more") }))
	var out strings.Builder
	tag := Must(conn.PgConn().CopyTo(ctx, &out, "COPY (SELECT id, name FROM copied WHERE id < 3 ORDER BY id) TO STDOUT"))
	text := Must(conn.PgConn().CopyFrom(ctx, strings.NewReader("7\tx\t\\N\n"), "COPY copied FROM STDIN"))
	_, wrong := conn.PgConn().CopyFrom(ctx, strings.NewReader("seven\tx\t\\N\n"), "COPY copied FROM STDIN")
	return []any{count, bad != nil, out.String(), tag.String(), text.String(), state(wrong), value[int](ctx, conn, "SELECT count(*) FROM copied")}
}

func cancels(ctx Ctx, conn *pgx.Conn) any {
	time.AfterFunc(300*time.Millisecond, func() { _ = conn.PgConn().CancelRequest(ctx) })
	started := time.Now()
	_, err := conn.Exec(ctx, "SELECT pg_sleep(15)")
	return []any{state(err), time.Since(started) < 10*time.Second, value[int](ctx, conn, "SELECT 1")}
}

func deadlinesEndConnections(ctx Ctx, conns []*pgx.Conn) any {
	exec(ctx, conns[0], "CREATE TABLE abandoned (id int PRIMARY KEY)")
	short, stop := context.WithTimeout(ctx, 300*time.Millisecond)
	defer stop()
	_, err := conns[1].Exec(short, "INSERT INTO abandoned SELECT 1 FROM pg_sleep(15)")
	// The row never came, and its place is free at once.
	return []any{errors.Is(err, context.DeadlineExceeded), conns[1].IsClosed(), exec(ctx, conns[0], "INSERT INTO abandoned VALUES (1)")}
}

func savepoints(ctx Ctx, conn *pgx.Conn) any {
	exec(ctx, conn, "CREATE TABLE saved (id int PRIMARY KEY)")
	tx := Must(conn.Begin(ctx))
	Must(tx.Exec(ctx, "INSERT INTO saved VALUES ($1)", 1))
	inner := Must(tx.Begin(ctx))
	_, err := inner.Exec(ctx, "INSERT INTO saved VALUES ($1)", 1)
	var server *pgconn.PgError
	Expect(errors.As(err, &server), "a server's error")
	_, blocked := inner.Exec(ctx, "SELECT $1::int", 1)
	Check(inner.Rollback(ctx))
	Must(tx.Exec(ctx, "INSERT INTO saved VALUES ($1)", 2))
	Check(tx.Commit(ctx))
	tx = Must(conn.Begin(ctx))
	_, bad := tx.Exec(ctx, "SELECT 1/0")
	commit := tx.Commit(ctx)
	return []any{server.Code, server.ConstraintName, server.TableName, server.Detail, state(blocked), state(bad),
		errors.Is(commit, pgx.ErrTxCommitRollback), value[[]int32](ctx, conn, "SELECT array_agg(id ORDER BY id) FROM saved")}
}

func isolation(ctx Ctx, conn *pgx.Conn) any {
	var seen []any
	for _, level := range []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable} {
		tx := Must(conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: level, AccessMode: pgx.ReadOnly, DeferrableMode: pgx.Deferrable}))
		seen = append(seen, value[string](ctx, tx, "SELECT current_setting('transaction_isolation') || current_setting('transaction_read_only')"))
		_, err := tx.Exec(ctx, "CREATE TABLE refused (a int)")
		seen = append(seen, state(err))
		Check(tx.Rollback(ctx))
	}
	return seen
}

func cursors(ctx Ctx, conn *pgx.Conn) any {
	tx := Must(conn.Begin(ctx))
	Must(tx.Exec(ctx, "DECLARE big CURSOR FOR SELECT n FROM generate_series(1, 2500) n"))
	total, fetches := 0, 0
	for {
		numbers := Must(pgx.CollectRows(Must(tx.Query(ctx, "FETCH 1000 FROM big")), pgx.RowTo[int]))
		if len(numbers) == 0 {
			break
		}
		fetches++
		for _, n := range numbers {
			total += n
		}
	}
	Check(tx.Commit(ctx))
	return []any{total, fetches}
}

func notifications(ctx Ctx, conns []*pgx.Conn) any {
	exec(ctx, conns[0], "LISTEN news")
	var heard []string
	for n := range 3 {
		exec(ctx, conns[1], "SELECT pg_notify('news', $1)", fmt.Sprintf("item %d", n))
	}
	for range 3 {
		note := Must(conns[0].WaitForNotification(ctx))
		heard = append(heard, note.Channel+": "+note.Payload)
	}
	return heard
}

func settings(ctx Ctx, conns []*pgx.Conn) any {
	exec(ctx, conns[0], "SET work_mem = '5MB'")
	exec(ctx, conns[0], `SET search_path = pg_catalog, "Odd Name"`)
	exec(ctx, conns[1], "SET work_mem = '6MB'")
	var seen []any
	for range 4 {
		for _, conn := range conns {
			seen = append(seen, value[string](ctx, conn, "SELECT current_setting('work_mem') || ' ' || current_setting('search_path')"))
		}
	}
	return seen
}

func pool(ctx Ctx) (any, error) {
	config := Must(pgxpool.ParseConfig(""))
	config.MaxConns, config.MinConns = 10, 10
	pool := Must(pgxpool.NewWithConfig(ctx, config))
	defer pool.Close()
	Must(pool.Exec(ctx, "CREATE TABLE pooled (worker int, step int)"))
	var group sync.WaitGroup
	errs := make(chan error, 1000)
	for worker := range 20 {
		group.Go(func() {
			for step := range 10 {
				errs <- pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
					_, err := tx.Exec(ctx, "INSERT INTO pooled VALUES ($1, $2)", worker, step)
					return err
				})
			}
			_, _ = pool.Exec(ctx, "SELECT 1/0")
		})
	}
	group.Wait()
	close(errs)
	for err := range errs {
		Check(err)
	}
	return value[[]int64](ctx, pool, "SELECT ARRAY[count(*), count(DISTINCT worker), sum(step)] FROM pooled"), nil
}

func large(ctx Ctx, conn *pgx.Conn) any {
	sent := make([]byte, 4<<20)
	for n := range sent {
		sent[n] = byte(n)
	}
	return string(value[[]byte](ctx, conn, "SELECT $1::bytea", sent)) == string(sent)
}

func manyResults(ctx Ctx, conn *pgx.Conn) any {
	var seen []any
	reader := conn.PgConn().Exec(ctx, "CREATE TABLE multi (a int); INSERT INTO multi VALUES (1), (2); SELECT sum(a) FROM multi; SELECT 1/0; SELECT 'lost'")
	for _, result := range Must2(reader.ReadAll()) {
		seen = append(seen, result.CommandTag.String(), len(result.Rows))
	}
	_, err := conn.Exec(ctx, "SELECT count(*) FROM multi")
	return append(seen, state(err))
}

// Must2 keeps the results although there was an error: ReadAll returns both.
func Must2[T any](value T, err error) T {
	Expect(err != nil, "an error")
	return value
}

func notices(ctx Ctx) (any, error) {
	var seen []any
	config := Must(pgx.ParseConfig(""))
	config.OnNotice = func(_ *pgconn.PgConn, notice *pgconn.Notice) {
		seen = append(seen, []string{notice.Severity, notice.Code, notice.Message})
	}
	conn := Must(pgx.ConnectConfig(ctx, config))
	defer conn.Close(ctx)
	exec(ctx, conn, "DO $$ BEGIN RAISE NOTICE 'first'; RAISE WARNING 'second'; END $$")
	exec(ctx, conn, "DROP TABLE IF EXISTS never_there")
	return seen, nil
}

func wrongPassword(ctx Ctx) (any, error) {
	config := Must(pgx.ParseConfig(""))
	config.Password = "wrong"
	_, err := pgx.ConnectConfig(ctx, config)
	return state(err), nil
}

func startupOptions(config *pgx.ConnConfig) {
	config.RuntimeParams["statement_timeout"] = "4321"
	config.RuntimeParams["application_name"] = "suite"
	config.RuntimeParams["search_path"] = `"Odd Name", public`
}

func main() {
	tests := []Test{
		{"connects_with_scram_and_tls", with(connects)},
		{"wrong_password_is_28P01", wrongPassword},
		{"startup_options_reach_the_server", with(func(ctx Ctx, conn *pgx.Conn) any {
			return value[string](ctx, conn, "SELECT concat_ws('|', current_setting('statement_timeout'), current_setting('application_name'), current_setting('search_path'))")
		}, startupOptions)},
	}
	for _, name := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple"} {
		tests = append(tests, typesIn(name))
	}
	Main(append(tests,
		Test{"the_statement_cache_overflows", with(cacheOverflows, func(c *pgx.ConnConfig) { c.StatementCacheCapacity = 5 })},
		Test{"prepares_by_name", with(preparesByName)},
		Test{"two_clients_use_one_name_for_two_texts", withConns(2, sameNameTwoTexts)},
		Test{"a_prepared_statement_meets_changed_columns", withConns(2, changedColumns)},
		Test{"batches_are_one_transaction", with(batches)},
		Test{"pipelines_skip_to_the_sync", with(pipelines)},
		Test{"copy_both_ways", with(copies)},
		Test{"cancel_stops_a_running_statement", with(cancels)},
		Test{"a_deadline_ends_the_connection_and_its_statement", withConns(2, deadlinesEndConnections)},
		Test{"savepoints_recover", with(savepoints)},
		Test{"isolation_levels_and_read_only", with(isolation)},
		Test{"cursors_fetch_in_batches", with(cursors)},
		Test{"listen_and_notify", withConns(2, notifications)},
		Test{"settings_follow_the_client", withConns(2, settings)},
		Test{"a_pool_with_more_clients_than_servers", pool},
		Test{"a_large_value_goes_both_ways", with(large)},
		Test{"several_statements_in_one_query", with(manyResults)},
		Test{"notices_arrive", notices},
	))
}
