import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

/** pgjdbc on a sharded database: rows by their key, through prepared statements that become the server's own. */
public final class PgjdbcSharded {
  private static final long FIRST = 40_000;
  private static final int COUNT = 40;

  interface Use {
    Object on(Connection conn) throws Exception;
  }

  static Suite.Test with(Use use) {
    return () -> {
      Properties options = new Properties();
      options.setProperty("user", System.getenv("PGUSER"));
      options.setProperty("password", System.getenv("PGPASSWORD"));
      options.setProperty("prepareThreshold", "3");
      String url = "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE");
      try (Connection conn = DriverManager.getConnection(url, options)) {
        return use.on(conn);
      }
    };
  }

  static int change(Connection conn, String sql, Object... values) throws SQLException {
    try (PreparedStatement statement = conn.prepareStatement(sql)) {
      for (int i = 0; i < values.length; ++i) statement.setObject(i + 1, values[i]);
      return statement.executeUpdate();
    }
  }

  static Object writesAndReads(Connection conn) throws SQLException {
    List<Object> seen = new ArrayList<>();
    for (long id = FIRST; id < FIRST + COUNT; ++id) seen.add(change(conn, "INSERT INTO users (id, email, name) VALUES (?, ?, ?)", id, id + "@x", "User"));
    try (PreparedStatement read = conn.prepareStatement("SELECT email, name FROM users WHERE id = ?")) {
      for (long id = FIRST; id < FIRST + COUNT; ++id) {
        read.setLong(1, id);
        try (ResultSet rows = read.executeQuery()) {
          while (rows.next()) seen.add(rows.getString(1) + rows.getString(2));
        }
      }
    }
    return seen;
  }

  static Object changes(Connection conn) throws SQLException {
    List<Object> seen = new ArrayList<>();
    for (long id = FIRST; id < FIRST + COUNT; ++id) {
      seen.add(change(conn, "UPDATE users SET plan = ? WHERE id = ?", "gold", id));
      if (id % 10 == 0) seen.add(change(conn, "DELETE FROM users WHERE id = ?", id));
    }
    return seen;
  }

  static Object transactions(Connection conn) throws SQLException {
    List<Object> seen = new ArrayList<>();
    conn.setAutoCommit(false);
    for (long id = FIRST + 1; id < FIRST + 10; ++id) {
      change(conn, "INSERT INTO accounts (id, user_id, balance) VALUES (?, ?, 10)", id * 2, id);
      Savepoint savepoint = conn.setSavepoint();
      try {
        change(conn, "INSERT INTO accounts (id, user_id, balance) VALUES (?, ?, 10)", id * 2, id);
      } catch (SQLException error) {
        seen.add(error.getSQLState());
      }
      conn.rollback(savepoint);
      seen.add(change(conn, "UPDATE accounts SET balance = balance + 5 WHERE user_id = ?", id));
      conn.commit();
    }
    return seen;
  }

  public static void main(String[] arguments) {
    Suite suite = new Suite();
    suite.add("rows_are_written_and_read_by_key", with(PgjdbcSharded::writesAndReads));
    suite.add("rows_are_changed_and_deleted_by_key", with(PgjdbcSharded::changes));
    suite.add("transactions_stay_with_one_key", with(PgjdbcSharded::transactions));
    suite.run(arguments);
  }
}
