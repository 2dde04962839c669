import java.sql.Array;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

/** What the tests of JDBC share: connecting as the environment says, and short forms of the usual calls. */
class Jdbc {
  static String env(String name) {
    return System.getenv(name);
  }

  static Connection connect(String... options) throws SQLException {
    Properties all = new Properties();
    all.setProperty("user", env("PGUSER"));
    all.setProperty("password", env("PGPASSWORD"));
    all.setProperty("sslmode", "verify-full");
    all.setProperty("sslrootcert", env("PGSSLROOTCERT"));
    for (int i = 0; i < options.length; i += 2) all.setProperty(options[i], options[i + 1]);
    return DriverManager.getConnection("jdbc:postgresql://" + env("PGHOST") + ":" + env("PGPORT") + "/" + env("PGDATABASE"), all);
  }

  interface Action {
    void run() throws Exception;
  }

  /** SQLSTATE and message of what must fail. */
  static List<Object> state(Action action) throws Exception {
    try {
      action.run();
    } catch (SQLException error) {
      return java.util.Arrays.asList(error.getSQLState(), error.getMessage().lines().findFirst().orElse(""));
    }
    throw new AssertionError("this should have failed");
  }

  static List<Object> row(ResultSet rows) throws SQLException {
    List<Object> out = new ArrayList<>();
    for (int i = 1; i <= rows.getMetaData().getColumnCount(); ++i) {
      Object value = rows.getObject(i);
      out.add(value instanceof Array array ? (Object) array.toString() : value);
    }
    return out;
  }

  static List<Object> query(Connection conn, String sql, Object... values) throws SQLException {
    try (PreparedStatement statement = conn.prepareStatement(sql)) {
      for (int i = 0; i < values.length; ++i) statement.setObject(i + 1, values[i]);
      List<Object> out = new ArrayList<>();
      try (ResultSet rows = statement.executeQuery()) {
        while (rows.next()) out.add(row(rows));
      }
      return out;
    }
  }

  static Object one(Connection conn, String sql, Object... values) throws SQLException {
    return ((List<?>) query(conn, sql, values).get(0)).get(0);
  }

  static int run(Connection conn, String sql) throws SQLException {
    try (Statement statement = conn.createStatement()) {
      return statement.executeUpdate(sql);
    }
  }
}
