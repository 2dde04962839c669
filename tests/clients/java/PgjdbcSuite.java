import java.io.ByteArrayOutputStream;
import java.io.StringReader;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Savepoint;
import java.sql.Statement;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.copy.CopyManager;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

/** pgjdbc as applications use it: https://jdbc.postgresql.org/documentation/ */
public final class PgjdbcSuite extends Jdbc {
  static Object types(String... options) throws SQLException {
    List<Object> seen = new ArrayList<>();
    try (Connection conn = connect(options);
         PreparedStatement statement = conn.prepareStatement("SELECT ?::int, ?::bigint, ?::text, ?::bool, ?::numeric, ?::float8, ?::bytea, ?::uuid, ?::date,"
             + " ?::timestamptz, ?::text, ?::int[], ?::text[], '[1,10)'::int4range::text, ?::jsonb::text, interval '1 day 2:03'::text")) {
      // The first executions use text, those of the named server-side statement binary.
      for (int n = 0; n < 8; ++n) {
        statement.setInt(1, n);
        statement.setLong(2, 1L << 40);
        statement.setString(3, "tëxt");
        statement.setBoolean(4, true);
        statement.setBigDecimal(5, new BigDecimal("12345678901234567890.000000001"));
        statement.setDouble(6, 1.5);
        statement.setBytes(7, new byte[] {0, -1});
        statement.setObject(8, new UUID(0, 42));
        statement.setObject(9, LocalDate.of(2024, 2, 29));
        statement.setObject(10, OffsetDateTime.of(2024, 2, 29, 12, 30, 1, 5000, ZoneOffset.UTC));
        statement.setString(11, null);
        statement.setArray(12, conn.createArrayOf("int4", new Integer[] {1, null, 3}));
        statement.setArray(13, conn.createArrayOf("text", new String[] {"a,b", "\"q\"", null, ""}));
        statement.setString(14, "{\"a\": [1, null]}");
        try (ResultSet rows = statement.executeQuery()) {
          rows.next();
          seen.add(row(rows));
          seen.add(rows.getObject(10, OffsetDateTime.class));
        }
      }
    }
    return seen;
  }

  static Object connects() throws SQLException {
    try (Connection conn = connect()) {
      return List.of(conn.getMetaData().getDatabaseProductVersion(), conn.getMetaData().getUserName(), one(conn, "SELECT current_database()"),
          conn.isValid(5), ((PGConnection) conn).getParameterStatus("server_encoding"));
    }
  }

  static Object channelBinding() throws SQLException {
    try (Connection conn = connect("channelBinding", "require")) {
      return one(conn, "SELECT current_user");
    }
  }

  static Object startupOptions() throws SQLException {
    try (Connection conn = connect("ApplicationName", "suite", "currentSchema", "\"Odd Name\",public", "options", "-c statement_timeout=4321")) {
      return List.of(one(conn, "SHOW application_name"), one(conn, "SHOW search_path"), one(conn, "SHOW statement_timeout"), conn.getSchema() == null);
    }
  }

  static Object statements() throws SQLException {
    List<Object> seen = new ArrayList<>();
    try (Connection one = connect("prepareThreshold", "2"); Connection two = connect("prepareThreshold", "2");
         PreparedStatement a = one.prepareStatement("SELECT ?::int + 10"); PreparedStatement b = two.prepareStatement("SELECT ?::int * 2")) {
      // Both connections call theirs S_1.
      for (int n = 0; n < 12; ++n) {
        for (PreparedStatement statement : List.of(a, b)) {
          statement.setInt(1, n);
          try (ResultSet rows = statement.executeQuery()) {
            rows.next();
            seen.add(rows.getInt(1));
          }
        }
      }
    }
    return seen;
  }

  static Object cacheOverflow() throws SQLException {
    List<Object> seen = new ArrayList<>();
    try (Connection conn = connect("prepareThreshold", "1", "preparedStatementCacheQueries", "4")) {
      for (int round = 0; round < 3; ++round) {
        for (int n = 0; n < 12; ++n) seen.add(one(conn, "SELECT ?::int + " + n, round));
      }
    }
    return seen;
  }

  static Object changedColumns() throws SQLException {
    try (Connection one = connect("prepareThreshold", "1"); Connection two = connect()) {
      run(one, "CREATE TABLE grows (id int)");
      run(one, "INSERT INTO grows VALUES (1)");
      List<Object> seen = new ArrayList<>();
      for (int n = 0; n < 3; ++n) seen.add(query(one, "SELECT * FROM grows"));
      run(two, "ALTER TABLE grows ADD COLUMN more text DEFAULT 'new'");
      // Outside a transaction the driver prepares again by itself.
      for (int n = 0; n < 3; ++n) seen.add(query(one, "SELECT * FROM grows"));
      return seen;
    }
  }

  static Object batches(String... options) throws Exception {
    try (Connection conn = connect(options)) {
      String table = options.length == 0 ? "batched" : "batched_rewritten";
      run(conn, "CREATE TABLE " + table + " (id int PRIMARY KEY, name text)");
      List<Object> seen = new ArrayList<>();
      try (PreparedStatement insert = conn.prepareStatement("INSERT INTO " + table + " VALUES (?, ?)")) {
        for (int n = 0; n < 1000; ++n) {
          insert.setInt(1, n);
          insert.setString(2, "n" + n);
          insert.addBatch();
        }
        int total = 0;
        for (int count : insert.executeBatch()) total += count == Statement.SUCCESS_NO_INFO ? 1 : count;
        seen.add(total);
        for (int n : new int[] {5000, 7, 5001}) {
          insert.setInt(1, n);
          insert.setString(2, "x");
          insert.addBatch();
        }
        try {
          insert.executeBatch();
        } catch (BatchUpdateException error) {
          seen.add(error.getSQLState());
          seen.add(error.getUpdateCounts());
        }
      }
      try (Statement mixed = conn.createStatement()) {
        mixed.addBatch("UPDATE " + table + " SET name = 'y' WHERE id < 10");
        mixed.addBatch("DELETE FROM " + table + " WHERE id >= 900");
        seen.add(mixed.executeBatch());
      }
      seen.add(query(conn, "SELECT count(*), count(*) FILTER (WHERE name = 'y') FROM " + table));
      return seen;
    }
  }

  static Object generatedKeys() throws SQLException {
    try (Connection conn = connect()) {
      run(conn, "CREATE TABLE keyed (id int GENERATED ALWAYS AS IDENTITY, name text)");
      List<Object> seen = new ArrayList<>();
      try (PreparedStatement insert = conn.prepareStatement("INSERT INTO keyed (name) VALUES (?)", Statement.RETURN_GENERATED_KEYS)) {
        for (int n = 0; n < 10; ++n) {
          insert.setString(1, "n" + n);
          insert.addBatch();
        }
        insert.executeBatch();
        try (ResultSet keys = insert.getGeneratedKeys()) {
          while (keys.next()) seen.add(keys.getInt(1));
        }
      }
      return seen;
    }
  }

  static Object copies() throws Exception {
    try (Connection conn = connect()) {
      run(conn, "CREATE TABLE copied (id int, name text)");
      CopyManager copy = conn.unwrap(PGConnection.class).getCopyAPI();
      StringBuilder text = new StringBuilder();
      for (int n = 0; n < 3000; ++n) text.append(n).append("\tn").append(n).append('\n');
      List<Object> seen = new ArrayList<>(List.of(copy.copyIn("COPY copied FROM STDIN", new StringReader(text.toString()))));
      seen.add(state(() -> copy.copyIn("COPY copied FROM STDIN", new StringReader("x\ty\n"))));
      seen.add(state(() -> {
        var in = copy.copyIn("COPY copied FROM STDIN");
        byte[] line = "1\ta\n".getBytes(StandardCharsets.UTF_8);
        in.writeToCopy(line, 0, line.length);
        in.cancelCopy();
        throw new SQLException("canceled", "none");
      }));
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      seen.add(copy.copyOut("COPY (SELECT * FROM copied ORDER BY id) TO STDOUT (FORMAT csv)", out));
      seen.add(out.size());
      seen.add(one(conn, "SELECT count(*) FROM copied"));
      return seen;
    }
  }

  static Object cancels() throws Exception {
    try (Connection conn = connect(); Statement statement = conn.createStatement()) {
      Thread timer = new Thread(() -> {
        try {
          Thread.sleep(300);
          statement.cancel();
        } catch (Exception ignored) {
          // The statement then runs to its end, which the test tells.
        }
      });
      timer.start();
      long started = System.nanoTime();
      List<Object> state = state(() -> statement.execute("SELECT pg_sleep(15)"));
      timer.join();
      return List.of(state, System.nanoTime() - started < 10_000_000_000L, one(conn, "SELECT 1"));
    }
  }

  static Object queryTimeout() throws Exception {
    try (Connection conn = connect(); Statement statement = conn.createStatement()) {
      statement.setQueryTimeout(1);
      List<Object> state = state(() -> statement.execute("SELECT pg_sleep(15)"));
      return List.of(state, one(conn, "SELECT 1"));
    }
  }

  static Object savepoints() throws Exception {
    try (Connection conn = connect()) {
      run(conn, "CREATE TABLE saved (id int PRIMARY KEY)");
      conn.setAutoCommit(false);
      run(conn, "INSERT INTO saved VALUES (1)");
      Savepoint savepoint = conn.setSavepoint("before it");
      ServerErrorMessage message = null;
      try {
        run(conn, "INSERT INTO saved VALUES (1)");
      } catch (PSQLException error) {
        message = error.getServerErrorMessage();
      }
      List<Object> blocked = state(() -> run(conn, "SELECT 1"));
      conn.rollback(savepoint);
      run(conn, "INSERT INTO saved VALUES (2)");
      conn.commit();
      List<Object> bad = state(() -> query(conn, "SELECT 1/0"));
      String commit = "no error";
      try {
        conn.commit();
      } catch (SQLException error) {
        commit = error.getSQLState();
      }
      conn.setAutoCommit(true);
      return List.of(message.getSQLState(), message.getConstraint(), message.getTable(), message.getDetail(), message.getSeverity(), blocked, bad, commit,
          query(conn, "SELECT id FROM saved ORDER BY id"));
    }
  }

  /** autosave=always sets a savepoint before every statement of a transaction. */
  static Object autosave() throws Exception {
    try (Connection conn = connect("autosave", "always")) {
      run(conn, "CREATE TABLE auto_saved (id int PRIMARY KEY)");
      conn.setAutoCommit(false);
      List<Object> seen = new ArrayList<>();
      for (int n = 0; n < 6; ++n) {
        run(conn, "INSERT INTO auto_saved VALUES (" + n + ")");
        seen.add(state(() -> run(conn, "INSERT INTO auto_saved VALUES (0)")).get(0));
      }
      conn.commit();
      seen.add(one(conn, "SELECT count(*) FROM auto_saved"));
      return seen;
    }
  }

  static Object isolation() throws Exception {
    List<Object> seen = new ArrayList<>();
    try (Connection conn = connect()) {
      for (int level : new int[] {Connection.TRANSACTION_READ_COMMITTED, Connection.TRANSACTION_REPEATABLE_READ, Connection.TRANSACTION_SERIALIZABLE}) {
        conn.setAutoCommit(true);
        conn.setTransactionIsolation(level);
        conn.setReadOnly(true);
        conn.setAutoCommit(false);
        seen.add(query(conn, "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')"));
        seen.add(state(() -> run(conn, "CREATE TABLE refused (a int)")));
        conn.rollback();
        conn.setReadOnly(false);
        seen.add(conn.getTransactionIsolation() == level);
        conn.rollback();
      }
    }
    return seen;
  }

  static Object fetchSize() throws Exception {
    try (Connection conn = connect()) {
      conn.setAutoCommit(false);
      long total = 0;
      int interleaved = 0;
      try (PreparedStatement statement = conn.prepareStatement("SELECT n, repeat('x', 20) FROM generate_series(1, ?::int) n")) {
        statement.setFetchSize(500);
        statement.setInt(1, 5000);
        try (ResultSet rows = statement.executeQuery()) {
          while (rows.next()) {
            total += rows.getInt(1);
            // Other statements run while the portal waits.
            if (rows.getInt(1) % 1000 == 0) interleaved += (Integer) one(conn, "SELECT ?::int", 1);
          }
        }
      }
      conn.commit();
      return List.of(total, interleaved);
    }
  }

  static Object maxRows() throws Exception {
    try (Connection conn = connect(); Statement statement = conn.createStatement()) {
      statement.setMaxRows(7);
      int count = 0;
      try (ResultSet rows = statement.executeQuery("SELECT generate_series(1, 1000)")) {
        while (rows.next()) ++count;
      }
      return List.of(count, one(conn, "SELECT 1"));
    }
  }

  static Object notifications() throws Exception {
    List<Object> heard = new ArrayList<>();
    try (Connection ears = connect(); Connection mouth = connect()) {
      run(ears, "LISTEN news");
      for (int n = 0; n < 3; ++n) query(mouth, "SELECT pg_notify('news', ?)", "item " + n);
      while (heard.size() < 3) {
        PGNotification[] notes = ears.unwrap(PGConnection.class).getNotifications(10_000);
        if (notes == null) break;
        for (PGNotification note : notes) heard.add(note.getName() + ": " + note.getParameter());
      }
    }
    return heard;
  }

  static Object warnings() throws Exception {
    List<Object> seen = new ArrayList<>();
    try (Connection conn = connect(); Statement statement = conn.createStatement()) {
      statement.execute("DO $$ BEGIN RAISE NOTICE 'first'; RAISE WARNING 'second'; END $$");
      for (SQLWarning warning = statement.getWarnings(); warning != null; warning = warning.getNextWarning()) {
        seen.add(List.of(warning.getSQLState(), warning.getMessage()));
      }
    }
    return seen;
  }

  static Object settings() throws Exception {
    List<Object> seen = new ArrayList<>();
    try (Connection one = connect(); Connection two = connect()) {
      run(one, "SET work_mem = '5MB'");
      one.setSchema("Odd Name");
      run(two, "SET work_mem = '6MB'");
      for (int n = 0; n < 4; ++n) {
        for (Connection conn : List.of(one, two)) seen.add(query(conn, "SELECT current_setting('work_mem'), current_setting('search_path')"));
      }
    }
    return seen;
  }

  static Object severalResults() throws Exception {
    List<Object> seen = new ArrayList<>();
    try (Connection conn = connect(); Statement statement = conn.createStatement()) {
      boolean rows = statement.execute("CREATE TABLE multi (a int); INSERT INTO multi VALUES (1), (2); SELECT sum(a) FROM multi");
      while (rows || statement.getUpdateCount() != -1) {
        if (rows) {
          ResultSet result = statement.getResultSet();
          result.next();
          seen.add(row(result));
        } else {
          seen.add(statement.getUpdateCount());
        }
        rows = statement.getMoreResults();
      }
      seen.add(state(() -> statement.execute("INSERT INTO multi VALUES (3); SELECT 1/0; INSERT INTO multi VALUES (4)")));
      seen.add(one(conn, "SELECT count(*) FROM multi"));
    }
    return seen;
  }

  static Object simpleProtocol() throws Exception {
    try (Connection conn = connect("preferQueryMode", "simple")) {
      return List.of(query(conn, "SELECT ?::int + 1, ?::text", 1, "it's"), state(() -> query(conn, "SELECT 1/0")).get(0));
    }
  }

  static Object catalogQueries() throws Exception {
    List<Object> seen = new ArrayList<>();
    try (Connection conn = connect()) {
      run(conn, "CREATE TABLE described (id int PRIMARY KEY, name varchar(20) NOT NULL, price numeric(10, 2) DEFAULT 1)");
      try (ResultSet columns = conn.getMetaData().getColumns(null, "public", "described", "%")) {
        while (columns.next()) seen.add(List.of(columns.getString("COLUMN_NAME"), columns.getString("TYPE_NAME"), columns.getInt("COLUMN_SIZE"), columns.getInt("NULLABLE")));
      }
      try (ResultSet keys = conn.getMetaData().getPrimaryKeys(null, "public", "described")) {
        while (keys.next()) seen.add(keys.getString("COLUMN_NAME"));
      }
    }
    return seen;
  }

  static Object pool() throws Exception {
    // As a pool does: connections are kept and lent, with isValid() before each use.
    ArrayBlockingQueue<Connection> idle = new ArrayBlockingQueue<>(10);
    for (int n = 0; n < 10; ++n) idle.add(connect());
    Connection first = idle.take();
    run(first, "CREATE TABLE pooled (worker int, step int)");
    idle.add(first);
    ExecutorService threads = Executors.newFixedThreadPool(20);
    List<Future<Object>> done = new ArrayList<>();
    for (int worker = 0; worker < 20; ++worker) {
      final int me = worker;
      Callable<Object> work = () -> {
        for (int step = 0; step < 10; ++step) {
          Connection conn = idle.take();
          if (!conn.isValid(10)) throw new AssertionError("not valid");
          conn.setAutoCommit(false);
          try (PreparedStatement insert = conn.prepareStatement("INSERT INTO pooled VALUES (?, ?)")) {
            insert.setInt(1, me);
            insert.setInt(2, step);
            insert.executeUpdate();
          }
          conn.commit();
          conn.setAutoCommit(true);
          idle.add(conn);
        }
        return null;
      };
      done.add(threads.submit(work));
    }
    for (Future<Object> one : done) one.get();
    threads.shutdown();
    Connection last = idle.take();
    Object seen = query(last, "SELECT count(*), count(DISTINCT worker), sum(step) FROM pooled");
    last.close();
    for (Connection conn : idle) conn.close();
    return seen;
  }

  static Object large() throws Exception {
    byte[] sent = new byte[4 << 20];
    for (int n = 0; n < sent.length; ++n) sent[n] = (byte) n;
    try (Connection conn = connect(); PreparedStatement statement = conn.prepareStatement("SELECT ?::bytea")) {
      statement.setBytes(1, sent);
      try (ResultSet rows = statement.executeQuery()) {
        rows.next();
        return java.util.Arrays.equals(rows.getBytes(1), sent);
      }
    }
  }

  public static void main(String[] arguments) {
    Suite suite = new Suite();
    suite.add("connects_with_scram_and_tls", PgjdbcSuite::connects);
    suite.add("scram_binds_to_the_certificate", PgjdbcSuite::channelBinding);
    suite.add("wrong_password_is_28P01", () -> state(() -> connect("password", "wrong").close()));
    suite.add("startup_options_reach_the_server", PgjdbcSuite::startupOptions);
    suite.add("types_text_then_binary", PgjdbcSuite::types);
    suite.add("types_binary_at_once", () -> types("prepareThreshold", "-1"));
    suite.add("two_clients_use_one_name_for_two_texts", PgjdbcSuite::statements);
    suite.add("the_statement_cache_overflows", PgjdbcSuite::cacheOverflow);
    suite.add("a_prepared_statement_meets_changed_columns", PgjdbcSuite::changedColumns);
    suite.add("batches", PgjdbcSuite::batches);
    suite.add("batches_rewritten", () -> batches("reWriteBatchedInserts", "true"));
    suite.add("generated_keys_of_a_batch", PgjdbcSuite::generatedKeys);
    suite.add("copy_both_ways", PgjdbcSuite::copies);
    suite.add("cancel_stops_a_running_statement", PgjdbcSuite::cancels);
    suite.add("query_timeout_cancels", PgjdbcSuite::queryTimeout);
    suite.add("savepoints_recover", PgjdbcSuite::savepoints);
    suite.add("autosave_recovers", PgjdbcSuite::autosave);
    suite.add("isolation_levels_and_read_only", PgjdbcSuite::isolation);
    suite.add("fetch_size_suspends_portals", PgjdbcSuite::fetchSize);
    suite.add("max_rows_closes_the_portal", PgjdbcSuite::maxRows);
    suite.add("listen_and_notify", PgjdbcSuite::notifications);
    suite.add("warnings_arrive", PgjdbcSuite::warnings);
    suite.add("settings_follow_the_client", PgjdbcSuite::settings);
    suite.add("several_statements_in_one_query", PgjdbcSuite::severalResults);
    suite.add("the_simple_protocol", PgjdbcSuite::simpleProtocol);
    suite.add("catalog_queries", PgjdbcSuite::catalogQueries);
    suite.add("a_pool_with_more_clients_than_servers", PgjdbcSuite::pool);
    suite.add("a_large_value_goes_both_ways", PgjdbcSuite::large);
    suite.run(arguments);
  }
}
