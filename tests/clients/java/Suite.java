import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/** The frame of a Java suite: named tests, one JSON line for each. See python/harness.py for what a test may return as seen. */
final class Suite {
  interface Test {
    Object run() throws Exception;
  }

  private static final int DEADLINE_S = 20;
  private final Map<String, Test> tests = new LinkedHashMap<>();

  void add(String name, Test test) {
    tests.put(name, test);
  }

  void run(String[] wanted) {
    ExecutorService threads = Executors.newCachedThreadPool(work -> {
      Thread thread = new Thread(work);
      thread.setDaemon(true);
      return thread;
    });
    tests.forEach((name, test) -> {
      if (wanted.length > 0 && !List.of(wanted).contains(name)) return;
      String saw;
      String error = null;
      try {
        saw = json(threads.submit(test::run).get(DEADLINE_S, TimeUnit.SECONDS));
      } catch (Exception failure) {
        Throwable cause = failure.getCause() == null ? failure : failure.getCause();
        java.io.StringWriter trace = new java.io.StringWriter();
        cause.printStackTrace(new java.io.PrintWriter(trace));
        saw = json(String.valueOf(cause));
        error = json(trace.toString());
      }
      System.out.println("{\"test\": " + json(name) + ", \"ok\": " + (error == null) + ", \"saw\": " + saw
          + (error == null ? "" : ", \"error\": " + error) + "}");
    });
    System.exit(0);
  }

  static String json(Object value) {
    if (value == null || value instanceof Boolean || value instanceof Integer || value instanceof Long) return String.valueOf(value);
    if (value instanceof byte[] bytes) return json("bytes:" + java.util.HexFormat.of().formatHex(bytes));
    if (value instanceof int[] numbers) return java.util.Arrays.toString(numbers);
    if (value instanceof Object[] items) value = java.util.Arrays.asList(items);
    if (value instanceof List<?> items) {
      StringBuilder out = new StringBuilder("[");
      for (Object item : items) out.append(out.length() == 1 ? "" : ", ").append(json(item));
      return out.append("]").toString();
    }
    StringBuilder out = new StringBuilder("\"");
    for (char c : value.toString().toCharArray()) {
      if (c == '"' || c == '\\') out.append('\\').append(c);
      else if (c < 0x20 || c > 0x7e) out.append(String.format("\\u%04x", (int) c));
      else out.append(c);
    }
    return out.append("\"").toString();
  }
}
