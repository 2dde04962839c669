-- pgbench: one new user per transaction, with two accounts and five transactions. -D n=0 -D per_client=N
\set n :n + 1
\set id :client_id * :per_client + :n
\set account :id * 2
\set day random(0, 360)
\set cents random(100, 999999)
BEGIN;
INSERT INTO users (id, email, name, region, plan, created_at)
  VALUES (:id, 'user:id@example.com', 'User :id', 'eu', 'basic', now() - interval '1 year');
INSERT INTO accounts (id, user_id, kind, currency, balance, opened_at)
  VALUES (:account, :id, 'checking', 'EUR', :cents / 100.0, now()), (:account + 1, :id, 'savings', 'EUR', 0, now());
INSERT INTO transactions (id, user_id, account_id, category_id, amount, note, tags, created_at)
  VALUES (1, :id, :account, 1, 12.50, 'groceries', ARRAY['food'], now() - interval '1 day'),
         (2, :id, :account, 2, 900.00, 'rent', ARRAY['home'], now() - interval '30 days'),
         (3, :id, :account, 3, 4.20, 'coffee', NULL, now() - interval '60 days'),
         (4, :id, :account, 4, 2500.00, 'salary', ARRAY['income', 'work'], now() - interval '90 days'),
         (5, :id, :account + 1, 5, 100.00, 'fund', '{}', now() - interval '120 days');
COMMIT;
