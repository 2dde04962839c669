-- The demo schema, created on every shard and on the twin. The application owns it.
GRANT ALL ON SCHEMA public TO app;
SET ROLE app;
CREATE TABLE users (
  id bigint PRIMARY KEY, email text NOT NULL, name text, region text, plan text, created_at timestamptz);
CREATE TABLE accounts (
  id bigint, user_id bigint REFERENCES users(id), kind text, currency char(3), balance numeric(18,2),
  opened_at timestamptz, PRIMARY KEY (user_id, id));
CREATE TABLE transactions (
  id bigint, user_id bigint, account_id bigint, category_id int, amount numeric(18,2), note text, tags text[],
  created_at timestamptz, PRIMARY KEY (user_id, id, created_at)) PARTITION BY RANGE (created_at);
CREATE TABLE transactions_p20240101 PARTITION OF transactions FOR VALUES FROM ('2024-01-01 00:00:00+00') TO ('2024-02-01 00:00:00+00');
CREATE TABLE transactions_p20240201 PARTITION OF transactions FOR VALUES FROM ('2024-02-01 00:00:00+00') TO ('2024-03-01 00:00:00+00');
CREATE TABLE transactions_p20240301 PARTITION OF transactions FOR VALUES FROM ('2024-03-01 00:00:00+00') TO ('2024-04-01 00:00:00+00');
CREATE TABLE transactions_p20240401 PARTITION OF transactions FOR VALUES FROM ('2024-04-01 00:00:00+00') TO ('2024-05-01 00:00:00+00');
CREATE TABLE categories (id int PRIMARY KEY, name text, parent_id int);
CREATE TABLE settings (key text PRIMARY KEY, value jsonb);
CREATE TABLE events (id uuid, user_id uuid, body jsonb, created_at timestamptz, PRIMARY KEY (user_id, id));
CREATE INDEX ON accounts (currency);
CREATE INDEX ON transactions (category_id);

-- Beside the demo: names that need quotes, a second schema with tables of the same name, a view.
CREATE SCHEMA archive;
CREATE TABLE archive.accounts (id bigint, user_id bigint, balance numeric(18,2), PRIMARY KEY (user_id, id));
CREATE TABLE "Order Lines" ("User Id" bigint, "select" text, "Ünits" int, PRIMARY KEY ("User Id", "Ünits"));
CREATE VIEW rich_accounts AS SELECT id, user_id, balance FROM accounts WHERE balance > 1000;
