-- shape: UNION, INTERSECT, EXCEPT
SELECT id FROM users WHERE id = 3 UNION SELECT user_id FROM accounts WHERE user_id = 3;
SELECT id FROM users WHERE id = 3 UNION ALL SELECT user_id FROM accounts WHERE user_id = 3;
SELECT id FROM users WHERE id = 3 INTERSECT SELECT user_id FROM accounts WHERE user_id = 3;
SELECT id FROM users WHERE id = 3 EXCEPT SELECT user_id FROM accounts WHERE user_id = 3;
SELECT id FROM users WHERE id = 3 UNION SELECT user_id FROM accounts WHERE user_id = 4;
SELECT id FROM users WHERE id = 3 UNION ALL SELECT id FROM users WHERE id = 4;
SELECT id FROM users UNION SELECT user_id FROM accounts;
SELECT id FROM users UNION ALL SELECT user_id FROM accounts;
SELECT id FROM users INTERSECT SELECT user_id FROM accounts ORDER BY 1;
SELECT id FROM users EXCEPT SELECT user_id FROM accounts ORDER BY 1;
SELECT id, name FROM users WHERE plan = 'gold' UNION ALL SELECT id, name FROM users WHERE plan = 'pro' ORDER BY id LIMIT 5;
SELECT region FROM users UNION SELECT plan FROM users ORDER BY 1;
SELECT region FROM users UNION SELECT name FROM categories ORDER BY 1 NULLS FIRST;
SELECT id FROM users WHERE id < 5 UNION ALL SELECT id FROM categories WHERE id < 5 ORDER BY 1;
SELECT 'user' AS t, count(*) FROM users UNION ALL SELECT 'account', count(*) FROM accounts ORDER BY 1;
SELECT count(*) FROM (SELECT id FROM users UNION ALL SELECT user_id FROM accounts) x;
SELECT user_id, sum(v) FROM (SELECT user_id, balance AS v FROM accounts UNION ALL SELECT user_id, amount FROM transactions) x GROUP BY user_id ORDER BY 1;
SELECT id FROM categories EXCEPT SELECT parent_id FROM categories ORDER BY 1;
SELECT id FROM users WHERE id = 3 UNION ALL SELECT 4;
(SELECT id FROM users ORDER BY id LIMIT 2) UNION ALL (SELECT id FROM users ORDER BY id DESC LIMIT 2);
SELECT id::text FROM users WHERE id = 3 UNION ALL SELECT name FROM users WHERE id = 3;
SELECT id FROM users WHERE id = 3 UNION SELECT name FROM users WHERE id = 3;
SELECT id, name FROM users UNION SELECT id FROM users;
SELECT currency FROM accounts WHERE user_id = 3 UNION SELECT currency FROM accounts WHERE user_id = 3 AND balance > 0 ORDER BY 1;
SELECT user_id FROM accounts WHERE balance < 0 UNION SELECT user_id FROM transactions WHERE amount < -70 ORDER BY user_id;
-- params: 3
SELECT id FROM users WHERE id = $1 UNION ALL SELECT user_id FROM accounts WHERE user_id = $1;
