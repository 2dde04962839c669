# The demo schema: a wealth-management app. Prints SQL; sourced, not run.

# The first day of the month that is $1 months from now, in UTC.
month_start() { date -u -d "$(date -u +%Y-%m-01) $1 months" +%Y-%m-01; }

demo_schema() {
  cat <<'SQL'
CREATE TABLE users (
  id bigint PRIMARY KEY, email text NOT NULL, name text, region text, plan text, created_at timestamptz);
CREATE TABLE accounts (
  id bigint, user_id bigint REFERENCES users(id), kind text, currency char(3), balance numeric(18,2),
  opened_at timestamptz, PRIMARY KEY (user_id, id));
CREATE TABLE transactions (
  id bigint, user_id bigint, account_id bigint, category_id int, amount numeric(18,2), note text, tags text[],
  created_at timestamptz, PRIMARY KEY (user_id, id, created_at)) PARTITION BY RANGE (created_at);
CREATE TABLE categories (id int PRIMARY KEY, name text, parent_id int);
CREATE TABLE settings (key text PRIMARY KEY, value jsonb);
CREATE TABLE events (id uuid, user_id uuid, body jsonb, created_at timestamptz, PRIMARY KEY (user_id, id));
SQL
  local i from to
  for i in $(seq -12 3); do
    from=$(month_start "$i")
    to=$(month_start "$((i + 1))")
    echo "CREATE TABLE transactions_p${from//-/} PARTITION OF transactions FOR VALUES FROM ('$from 00:00:00+00') TO ('$to 00:00:00+00');"
  done
}

demo_table_rules() {
  cat <<'YAML'
users:        { hash: id }
accounts:     { hash: user_id }
transactions: { hash: user_id }
events:       { hash: user_id }
categories:   { reference: true }
settings:     { local: s0 }
YAML
}
