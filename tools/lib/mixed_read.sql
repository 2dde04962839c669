-- pgbench: an app's page for one random user. -D users=N
\set id random(1, :users)
SELECT name, email, plan FROM users WHERE id = :id;
SELECT id, kind, balance FROM accounts WHERE user_id = :id ORDER BY id;
SELECT t.amount, t.note, c.name FROM transactions t JOIN categories c ON c.id = t.category_id
  WHERE t.user_id = :id ORDER BY t.created_at DESC LIMIT 10;
