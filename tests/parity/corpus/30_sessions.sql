-- shape: transactions and savepoints
-- writes
-- block
BEGIN;
UPDATE users SET name = 'tx' WHERE id = 3;
SELECT id, name FROM users WHERE id IN (3, 4) ORDER BY id;
SELECT count(*) FROM users WHERE name = 'tx';
ROLLBACK;
SELECT id, name FROM users WHERE id IN (3, 4) ORDER BY id;
-- end
-- block
BEGIN;
UPDATE accounts SET balance = balance - 10 WHERE user_id = 3 AND id = 31;
UPDATE accounts SET balance = balance + 10 WHERE user_id = 4 AND id = 40;
COMMIT;
SELECT id, balance FROM accounts WHERE id IN (31, 40) ORDER BY id;
-- end
-- block
START TRANSACTION READ ONLY;
SELECT count(*) FROM users;
UPDATE users SET name = 'tx' WHERE id = 3;
SELECT 1;
COMMIT;
-- end
-- block
BEGIN;
SAVEPOINT a;
DELETE FROM accounts WHERE balance < 0;
SELECT count(*) FROM accounts;
ROLLBACK TO a;
SELECT count(*) FROM accounts;
DELETE FROM accounts WHERE user_id = 3;
RELEASE a;
COMMIT;
SELECT count(*) FROM accounts;
-- end
-- block
BEGIN;
INSERT INTO users (id, email) VALUES (1001, 'a');
SAVEPOINT s;
INSERT INTO users (id, email) VALUES (1001, 'again');
SELECT 1;
ROLLBACK TO SAVEPOINT s;
INSERT INTO users (id, email) VALUES (1002, 'b');
COMMIT;
SELECT id FROM users WHERE id > 1000 AND id < 2000 ORDER BY id;
-- end
-- block
BEGIN;
SELECT 1 / 0;
SELECT count(*) FROM users;
COMMIT;
SELECT count(*) FROM users;
-- end
-- block
BEGIN;
SELECT 1 / (id - 3) FROM users;
INSERT INTO users (id, email) VALUES (1001, 'a');
ROLLBACK;
-- end
-- block
BEGIN;
INSERT INTO users (id, email) VALUES (1001, 'a'), (1002, 'b');
INSERT INTO accounts (id, user_id, balance) VALUES (1, 1001, 5), (2, 1002, 6);
SELECT u.email, a.balance FROM users u JOIN accounts a ON a.user_id = u.id WHERE u.id IN (1001, 1002) ORDER BY 1;
UPDATE accounts SET balance = 0 WHERE user_id IN (1001, 1002) RETURNING id;
SELECT sum(balance), count(*) FROM accounts WHERE user_id > 1000 AND user_id < 2000;
END;
-- end
-- block
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT name FROM users WHERE id = 3;
UPDATE users SET name = 'rr' WHERE id = 3;
COMMIT;
-- end
-- block
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) FROM users;
COMMIT;
-- end
-- block
BEGIN;
COMMIT AND CHAIN;
UPDATE users SET name = 'chained' WHERE id = 3;
ROLLBACK AND CHAIN;
SELECT name FROM users WHERE id = 3;
ABORT;
-- end
-- block
COMMIT;
ROLLBACK;
BEGIN;
BEGIN;
SELECT 1;
COMMIT;
-- end
-- block
BEGIN;
TRUNCATE accounts;
SELECT count(*) FROM accounts;
ROLLBACK;
SELECT count(*) FROM accounts;
-- end
-- block
BEGIN;
INSERT INTO categories VALUES (100, 'in a transaction', 1);
UPDATE transactions SET category_id = 100 WHERE user_id = 14;
SELECT c.name, count(*) FROM transactions t JOIN categories c ON c.id = t.category_id WHERE t.user_id IN (14, 15) GROUP BY c.name ORDER BY 1;
COMMIT;
-- end
-- block
BEGIN;
DELETE FROM accounts WHERE user_id = 3;
DELETE FROM users WHERE id = 3;
UPDATE settings SET value = '{"gone": 3}' WHERE key = 'theme';
COMMIT;
SELECT count(*) FROM users;
-- end
-- string
UPDATE users SET name = 's1' WHERE id = 3;
UPDATE users SET name = 's2' WHERE id = 4;
SELECT id, name FROM users WHERE id IN (3, 4) ORDER BY id;
-- end
-- string
UPDATE users SET name = 's1' WHERE id = 3;
SELECT 1 / 0;
UPDATE users SET name = 's2' WHERE id = 4;
-- end
-- string
BEGIN;
UPDATE users SET name = 's1' WHERE id = 3;
COMMIT;
SELECT name FROM users WHERE id = 3;
-- end
-- string
INSERT INTO users (id, email) VALUES (1001, 'a');
INSERT INTO users (id, email) VALUES (1002, 'b'), (1003, 'c');
SELECT count(*) FROM users;
DELETE FROM users WHERE id > 1000 AND id < 2000;
-- end
-- string
SELECT id FROM users WHERE id = 3;
SELEC 1;
-- end
-- string
UPDATE users SET name = 'never' WHERE id = 3;
SELECT nothing FROM users;
-- end

-- shape: cursors
-- reads
-- block
BEGIN;
DECLARE c CURSOR FOR SELECT id, name FROM users WHERE id = 3;
FETCH ALL FROM c;
CLOSE c;
COMMIT;
-- end
-- block
BEGIN;
DECLARE c CURSOR FOR SELECT id, amount FROM transactions WHERE user_id = 14 ORDER BY id;
FETCH 2 FROM c;
FETCH NEXT FROM c;
MOVE 1 FROM c;
FETCH FORWARD ALL FROM c;
FETCH 1 FROM c;
COMMIT;
-- end
-- block
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id FROM transactions WHERE user_id = 14 ORDER BY id;
FETCH LAST FROM c;
FETCH PRIOR FROM c;
FETCH ABSOLUTE 1 FROM c;
FETCH RELATIVE 1 FROM c;
FETCH BACKWARD 1 FROM c;
CLOSE ALL;
COMMIT;
-- end
-- block
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM users ORDER BY id;
FETCH 3 FROM c;
FETCH 4 FROM c;
CLOSE c;
COMMIT;
-- end
-- block
BEGIN;
DECLARE c CURSOR FOR SELECT region, count(*) FROM users GROUP BY region ORDER BY region;
FETCH ALL FROM c;
COMMIT;
-- end
-- block
DECLARE c CURSOR WITH HOLD FOR SELECT id, name FROM users ORDER BY id;
FETCH 3 FROM c;
FETCH FORWARD 2 FROM c;
CLOSE c;
-- end
-- block
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id FROM users ORDER BY id DESC;
FETCH LAST FROM c;
FETCH BACKWARD 3 FROM c;
FETCH ABSOLUTE 2 FROM c;
COMMIT;
-- end
-- block
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM accounts ORDER BY id FOR UPDATE;
FETCH 5 FROM c;
ROLLBACK;
-- end
-- block
DECLARE c CURSOR WITH HOLD FOR SELECT id FROM accounts WHERE user_id = 3 ORDER BY id;
FETCH 1 FROM c;
FETCH 1 FROM c;
CLOSE c;
-- end
-- block
DECLARE c CURSOR FOR SELECT 1;
-- end
-- block
BEGIN;
DECLARE c CURSOR FOR SELECT 1;
DECLARE c CURSOR FOR SELECT 2;
ROLLBACK;
-- end
-- block
BEGIN;
DECLARE c CURSOR FOR SELECT id, balance FROM accounts WHERE user_id = 3 ORDER BY id FOR UPDATE;
FETCH 1 FROM c;
UPDATE accounts SET balance = 1 WHERE CURRENT OF c;
ROLLBACK;
-- end

-- shape: PREPARE and EXECUTE
-- block
PREPARE one(bigint) AS SELECT id, name FROM users WHERE id = $1;
EXECUTE one(3);
EXECUTE one(4);
EXECUTE one('5');
EXECUTE one(NULL);
EXECUTE one(3, 4);
DEALLOCATE one;
EXECUTE one(3);
-- end
-- block
PREPARE many(text) AS SELECT id FROM users WHERE region = $1 ORDER BY id;
EXECUTE many('eu');
EXECUTE many('isle');
EXECUTE many('nowhere');
-- end
-- block
PREPARE agg AS SELECT region, count(*) FROM users GROUP BY region ORDER BY region;
EXECUTE agg;
-- end
-- block
PREPARE ins(bigint, text) AS INSERT INTO users (id, email) VALUES ($1, $2) RETURNING id;
BEGIN;
EXECUTE ins(1001, 'x');
EXECUTE ins(1002, 'y');
ROLLBACK;
DEALLOCATE ALL;
-- end
-- block
PREPARE twice AS SELECT 1;
PREPARE twice AS SELECT 2;
EXECUTE twice;
-- end
-- block
PREPARE broken AS SELECT nothing FROM users;
-- end

-- shape: settings
-- block
SET timezone = 'Europe/Berlin';
SELECT id, created_at FROM users WHERE id IN (1, 2, 3) ORDER BY id;
SELECT created_at::date, count(*) FROM users GROUP BY 1 ORDER BY 1;
SHOW timezone;
RESET timezone;
-- end
-- block
SET datestyle = 'SQL, DMY';
SELECT id, created_at FROM users WHERE id = 3;
SELECT id, created_at FROM users WHERE id < 4 ORDER BY id;
SELECT max(created_at) FROM users;
-- end
-- block
SET intervalstyle = 'iso_8601';
SELECT id, created_at - '2023-01-01+00' FROM users WHERE id < 4 ORDER BY id;
SELECT max(created_at) - min(created_at) FROM users;
-- end
-- block
SET bytea_output = 'escape';
SELECT id, convert_to(name, 'UTF8') FROM users WHERE id < 6 ORDER BY id;
SELECT min(id), string_agg(convert_to(name, 'UTF8'), ',' ORDER BY id) FROM users WHERE id < 6;
-- end
-- block
SET extra_float_digits = 0;
SELECT id, id / 3.0::float8 FROM users WHERE id BETWEEN 0 AND 5 ORDER BY id;
SELECT max(id / 3.0::float8) FROM users WHERE id BETWEEN 0 AND 5;
-- end
-- block
BEGIN;
SET LOCAL timezone = 'Asia/Tokyo';
SELECT id, created_at FROM users WHERE id < 3 ORDER BY id;
COMMIT;
SELECT id, created_at FROM users WHERE id < 3 ORDER BY id;
-- end
-- block
SELECT set_config('app.tenant', '42', false);
SELECT current_setting('app.tenant');
SELECT id FROM users WHERE id = current_setting('app.tenant')::bigint;
-- end
-- block
SET standard_conforming_strings = off;
SELECT 'a\\b', id FROM users WHERE id = 3;
-- end
-- block
SET lc_monetary = 'C';
SET client_min_messages = warning;
SELECT id, balance::money FROM accounts WHERE user_id = 3 ORDER BY id;
DISCARD ALL;
-- end

-- shape: EXPLAIN
EXPLAIN (COSTS OFF) SELECT id FROM users WHERE id = NULL;
EXPLAIN (COSTS OFF, FORMAT JSON) SELECT 1;
EXPLAIN (COSTS OFF) SELECT * FROM categories WHERE id = 3;
