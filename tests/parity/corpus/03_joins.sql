-- Joins on the key, with and without a value of it.

-- shape: joins on the key with a value
SELECT u.id, a.id FROM users u JOIN accounts a ON a.user_id = u.id WHERE u.id = 3;
SELECT u.id, a.id FROM users u JOIN accounts a ON a.user_id = u.id WHERE a.user_id = 3;
SELECT u.id, a.id FROM users u, accounts a WHERE a.user_id = u.id AND u.id = 3;
SELECT u.id, a.id FROM users u JOIN accounts a ON a.user_id = u.id AND u.id = 3;
SELECT a.id, t.id FROM accounts a JOIN transactions t USING (user_id) WHERE user_id = 14;
SELECT user_id, balance FROM accounts a JOIN transactions t USING (user_id) WHERE a.user_id = 14 AND t.amount > 0;
SELECT count(*) FROM accounts NATURAL JOIN archive.accounts WHERE user_id = 3;
SELECT u.id, a.id, t.id FROM users u JOIN accounts a ON a.user_id = u.id JOIN transactions t ON t.user_id = a.user_id WHERE t.user_id = 3;
SELECT u.id, a.id FROM users u LEFT JOIN accounts a ON a.user_id = u.id WHERE u.id = 5;
SELECT u.id, a.id FROM accounts a RIGHT JOIN users u ON a.user_id = u.id WHERE u.id = 5;
SELECT u.id, a.id FROM users u LEFT JOIN accounts a ON a.user_id = 3 WHERE u.id = 3;
SELECT u.id, a.id FROM users u CROSS JOIN accounts a WHERE u.id = 3 AND a.user_id = 3;
SELECT u.id, a.id FROM users u JOIN accounts a ON true WHERE u.id = 3 AND a.user_id = 3;
SELECT u.id, a.id FROM users u, accounts a WHERE u.id = 3 AND a.user_id = 4;
SELECT a.id, b.id FROM accounts a JOIN accounts b ON a.user_id = b.user_id AND a.id < b.id WHERE a.user_id = 7;
SELECT u.name, c.name, t.amount FROM users u JOIN transactions t ON t.user_id = u.id LEFT JOIN categories c ON c.id = t.category_id WHERE u.id = 14 ORDER BY t.id;
SELECT c.name, sum(t.amount) FROM transactions t JOIN categories c ON c.id = t.category_id WHERE t.user_id = 14 GROUP BY c.name ORDER BY 1;
SELECT u.id, s.total FROM users u, LATERAL (SELECT sum(balance) AS total FROM accounts a WHERE a.user_id = u.id) s WHERE u.id = 7;
SELECT u.id, s.id FROM users u LEFT JOIN LATERAL (SELECT a.id FROM accounts a WHERE a.user_id = u.id ORDER BY balance DESC NULLS LAST, id LIMIT 1) s ON true WHERE u.id = 7;
-- params: 14 | Food
SELECT t.id FROM transactions t JOIN categories c ON c.id = t.category_id WHERE t.user_id = $1 AND c.name = $2;

-- shape: joins on the key over all shards
SELECT u.id, a.id, a.balance FROM users u JOIN accounts a ON a.user_id = u.id;
SELECT u.id, a.id FROM users u, accounts a WHERE u.id = a.user_id AND a.currency = 'JPY';
SELECT a.id, t.id FROM accounts a JOIN transactions t USING (user_id) WHERE a.currency = 'CHF' AND t.amount > 100;
SELECT * FROM accounts a JOIN archive.accounts b USING (user_id) WHERE a.balance < 0;
SELECT u.id, a.id, t.id FROM users u JOIN accounts a ON a.user_id = u.id JOIN transactions t ON t.user_id = u.id AND t.account_id = a.id ORDER BY 3, 2;
SELECT u.id, a.id FROM users u LEFT JOIN accounts a ON a.user_id = u.id ORDER BY u.id, a.id;
SELECT u.id FROM users u LEFT JOIN accounts a ON a.user_id = u.id WHERE a.id IS NULL ORDER BY u.id;
SELECT a.id, u.name FROM users u RIGHT JOIN accounts a ON a.user_id = u.id WHERE a.balance IS NULL;
SELECT t.id, u.name FROM transactions t LEFT JOIN users u ON u.id = t.user_id WHERE t.amount < -60 ORDER BY t.id;
SELECT t.id, u.id FROM transactions t FULL JOIN users u ON u.id = t.user_id WHERE t.category_id IS NULL OR t.id IS NULL;
SELECT count(*) FROM users u JOIN accounts a ON a.user_id = u.id;
SELECT u.region, count(a.id) FROM users u LEFT JOIN accounts a ON a.user_id = u.id GROUP BY u.region;
SELECT a.id, c.name FROM transactions a LEFT JOIN categories c ON c.id = a.category_id WHERE a.amount = 0;
SELECT t.id, c.name, p.name FROM transactions t JOIN categories c ON c.id = t.category_id JOIN categories p ON p.id = c.parent_id ORDER BY t.id LIMIT 25;
SELECT c.id, t.id FROM categories c LEFT JOIN transactions t ON t.category_id = c.id;
SELECT u.id, v.x FROM users u JOIN (VALUES (1, 'one'), (2, 'two')) v(i, x) ON v.i = u.id;
SELECT u.id, g FROM users u, generate_series(1, 2) g WHERE u.id < 4 ORDER BY u.id, g;
SELECT u.id, tag FROM transactions u, unnest(u.tags) tag WHERE u.amount > 150 ORDER BY u.id, tag;
SELECT u.id, s.n FROM users u, LATERAL (SELECT count(*) AS n FROM accounts a WHERE a.user_id = u.id) s WHERE s.n > 2 ORDER BY 1;
SELECT a.id, b.id FROM accounts a JOIN accounts b ON a.user_id = b.user_id AND a.id < b.id ORDER BY 1, 2;
SELECT a.id, b.id FROM accounts a JOIN accounts b ON a.currency = b.currency WHERE a.id < b.id;
SELECT count(*) FROM users a, users b;
SELECT a.id FROM users a JOIN transactions t ON t.id = a.id;

-- shape: EXISTS, IN and scalar subqueries
SELECT id FROM users u WHERE EXISTS (SELECT FROM accounts a WHERE a.user_id = u.id AND a.balance > 1000) ORDER BY id;
SELECT id FROM users u WHERE NOT EXISTS (SELECT 1 FROM accounts a WHERE a.user_id = u.id) ORDER BY id;
SELECT id FROM users WHERE id IN (SELECT user_id FROM accounts WHERE currency = 'JPY') ORDER BY id;
SELECT id FROM users WHERE id NOT IN (SELECT user_id FROM accounts) ORDER BY id;
SELECT id FROM users u WHERE id IN (SELECT user_id FROM accounts a WHERE a.user_id = u.id AND kind IS NULL);
SELECT id, (SELECT count(*) FROM accounts a WHERE a.user_id = u.id) AS n FROM users u WHERE id < 10 ORDER BY id;
SELECT id, (SELECT sum(amount) FROM transactions t WHERE t.user_id = u.id) AS s FROM users u ORDER BY s DESC NULLS LAST, id LIMIT 5;
SELECT id FROM transactions WHERE category_id IN (SELECT id FROM categories WHERE parent_id = 1) ORDER BY id;
SELECT id FROM transactions t WHERE EXISTS (SELECT FROM categories c WHERE c.id = t.category_id AND c.name LIKE 'F%') ORDER BY id LIMIT 9;
SELECT id FROM accounts a WHERE balance > (SELECT avg(balance) FROM accounts b WHERE b.user_id = a.user_id) ORDER BY id;
SELECT id FROM accounts WHERE balance > (SELECT avg(balance) FROM accounts) ORDER BY id;
SELECT id FROM accounts WHERE balance = (SELECT max(balance) FROM accounts);
SELECT id FROM users WHERE (id, region) IN (SELECT user_id, 'eu' FROM accounts);
SELECT id FROM users u WHERE 2 <= (SELECT count(*) FROM accounts a WHERE a.user_id = u.id) ORDER BY id;
SELECT id FROM users u WHERE u.id = ANY (SELECT user_id FROM accounts WHERE balance < 0) ORDER BY id;
SELECT u.id FROM users u WHERE EXISTS (SELECT FROM accounts a JOIN transactions t ON t.user_id = a.user_id WHERE a.user_id = u.id AND t.amount > 100) ORDER BY 1;
SELECT id FROM users WHERE id = 3 AND EXISTS (SELECT FROM accounts WHERE user_id = 3);
SELECT id FROM users WHERE id = 3 AND EXISTS (SELECT FROM accounts WHERE user_id = 4);

-- shape: WITH and subqueries in FROM
WITH x AS (SELECT * FROM accounts WHERE user_id = 3) SELECT count(*) FROM x;
WITH x AS (SELECT * FROM accounts WHERE user_id = 3) SELECT u.name, x.id FROM users u JOIN x ON x.user_id = u.id WHERE u.id = 3;
WITH x AS (SELECT * FROM accounts WHERE user_id = 3) SELECT u.name, x.id FROM users u JOIN x ON x.user_id = u.id;
WITH x AS (SELECT user_id, sum(balance) AS s FROM accounts GROUP BY user_id) SELECT u.id, x.s FROM users u JOIN x ON x.user_id = u.id ORDER BY u.id;
WITH x AS MATERIALIZED (SELECT user_id, count(*) AS n FROM transactions GROUP BY user_id) SELECT * FROM x WHERE n > 6 ORDER BY user_id;
WITH x AS (SELECT 1 AS one) SELECT u.id, x.one FROM users u, x WHERE u.id < 3;
WITH RECURSIVE tree AS (SELECT id, name, 1 AS depth FROM categories WHERE parent_id IS NULL UNION ALL SELECT c.id, c.name, depth + 1 FROM categories c JOIN tree ON c.parent_id = tree.id) SELECT * FROM tree ORDER BY id;
WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT u.id, n.i FROM users u JOIN n ON n.i = u.id ORDER BY 1;
WITH a AS (SELECT id FROM users WHERE plan = 'gold'), b AS (SELECT user_id FROM accounts WHERE currency = 'EUR') SELECT a.id FROM a JOIN b ON b.user_id = a.id ORDER BY 1;
SELECT * FROM (SELECT id, name FROM users WHERE id = 3) x;
SELECT * FROM (SELECT id, name FROM users) x WHERE id = 3;
SELECT * FROM (SELECT id, name FROM users) x WHERE name = 'Bob' ORDER BY id;
SELECT x.user_id, x.n FROM (SELECT user_id, count(*) AS n FROM accounts GROUP BY user_id) x WHERE x.n = 4 ORDER BY 1;
SELECT avg(n) FROM (SELECT user_id, count(*) AS n FROM accounts GROUP BY user_id) x;
SELECT max(s) FROM (SELECT user_id, sum(amount) AS s FROM transactions GROUP BY user_id) x;
SELECT * FROM (SELECT id FROM users ORDER BY id LIMIT 5) x;
SELECT * FROM (SELECT id FROM users ORDER BY id DESC LIMIT 5) x JOIN accounts a ON a.user_id = x.id;
