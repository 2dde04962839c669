-- pgbench: one random user spends money. -D users=N
\set id random(1, :users)
\set account :id * 2
\set number random(1000, 1000000000)
\set cents random(1, 9999)
BEGIN;
UPDATE accounts SET balance = balance - :cents / 100.0 WHERE user_id = :id AND id = :account;
INSERT INTO transactions (id, user_id, account_id, category_id, amount, note, created_at)
  VALUES (:number, :id, :account, 1, :cents / 100.0, 'quickstart', now());
COMMIT;
