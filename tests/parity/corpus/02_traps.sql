-- Comparisons with the key that do not decide on a shard.

-- shape: mentions of the key that decide nothing
SELECT id, CASE WHEN id = 7 THEN 'me' ELSE 'other' END AS who FROM users WHERE id < 12;
SELECT id FROM users WHERE CASE WHEN id = 7 THEN true ELSE plan = 'gold' END;
SELECT count(*) FILTER (WHERE id = 7) AS me, count(*) AS everyone FROM users;
SELECT id = 7 AS me, id FROM users WHERE region = 'apac';
SELECT id FROM users WHERE id = 7 OR plan = 'gold';
SELECT id FROM users WHERE id = 7 OR true;
SELECT id FROM users WHERE id = 7 OR id > 44;
SELECT id FROM users WHERE NOT (id = 7) AND id < 20;
SELECT id FROM users WHERE NOT (id <> 7);
SELECT id FROM users WHERE (id = 7) IS NOT TRUE AND id < 20;
SELECT id FROM users WHERE (id = 7) = false AND id < 15;
SELECT id FROM users WHERE (id = 7) IS TRUE;
SELECT id FROM users WHERE coalesce(id = 7, true);
SELECT id FROM users WHERE id <> 7 AND id < 10;
SELECT id FROM users WHERE id >= 7 AND id <= 7;
SELECT id FROM users WHERE id BETWEEN 5 AND 9 ORDER BY id;
SELECT id FROM users WHERE id IS NULL;
SELECT id FROM users WHERE id IS NOT DISTINCT FROM 7;
SELECT id FROM users WHERE id + 0 = 7;
SELECT id FROM users WHERE abs(id) = 7 ORDER BY id;
SELECT id FROM users WHERE id::int4 = 7 AND id < 1000;
SELECT id FROM users WHERE id::text = '7';
SELECT id FROM users WHERE id % 10 = 7 AND id < 100 ORDER BY id;
SELECT u.id, a.id FROM users u LEFT JOIN accounts a ON a.user_id = u.id AND u.id = 7 WHERE u.id < 9;
SELECT u.id, a.id FROM users u LEFT JOIN accounts a ON a.user_id = u.id AND a.user_id = 7 WHERE u.id < 9;
SELECT u.id, a.id FROM users u RIGHT JOIN accounts a ON a.user_id = u.id AND a.user_id = 7 WHERE a.user_id < 4;
SELECT u.id, a.id FROM users u FULL JOIN accounts a ON a.user_id = u.id AND u.id = 7 WHERE coalesce(u.id, a.user_id) < 9;
SELECT u.id FROM users u WHERE EXISTS (SELECT FROM accounts a WHERE a.user_id = 7) AND u.id < 4;
SELECT u.id FROM users u WHERE EXISTS (SELECT FROM accounts a WHERE u.id = 7);
SELECT u.id FROM users u WHERE u.id IN (SELECT 7);
SELECT id FROM users WHERE id = (SELECT 7);
SELECT id FROM users WHERE id = (SELECT max(user_id) FROM accounts WHERE user_id = 7);
SELECT id FROM users WHERE id = 7 IS NOT NULL AND id < 3;
SELECT x.id FROM (SELECT id, 7 AS seven FROM users) x WHERE x.seven = 7 AND x.id < 5;
SELECT x.id FROM (SELECT id + 1 AS id FROM users WHERE id < 20) x WHERE x.id = 8;
SELECT x.id FROM (SELECT 7 AS id FROM users WHERE id < 5) x WHERE x.id = 7;
SELECT x.id FROM (SELECT user_id AS id, id AS user_id FROM accounts) x WHERE x.user_id = 71;
SELECT id FROM users u WHERE u.id = 7 AND EXISTS (SELECT FROM accounts WHERE balance > 100);
SELECT accounts.id FROM accounts WHERE id = 71;
SELECT id FROM users WHERE 'id = 7' <> '' AND id < 4;
SELECT id /* id = 7 */ FROM users WHERE id < 4 -- and id = 7
;
SELECT id FROM users WHERE ROW(id, plan) = ROW(7, 'free');
SELECT id FROM users WHERE (id, plan) IN ((7, 'free'), (8, 'pro'));
SELECT id FROM users WHERE (id, 1) = (7, 1);
SELECT id FROM users WHERE (id, plan) < (3, 'pro') AND id >= 0;

-- string
SELECT id FROM users WHERE id = 7;
SELECT id FROM users WHERE plan = 'gold';
-- end
-- string
SELECT id FROM users WHERE id = 7;
SELECT id FROM users WHERE id = 8;
-- end

-- shape: spellings of key values
SELECT id FROM users WHERE id = ' 7 ';
SELECT id FROM users WHERE id = '+007';
SELECT id FROM users WHERE id = '-7';
SELECT id FROM users WHERE id = 7.0;
SELECT id FROM users WHERE id = 7.5;
SELECT id FROM users WHERE id = 7.000::numeric;
SELECT id FROM users WHERE id = '7'::bigint;
SELECT id FROM users WHERE id = '7'::int2;
SELECT id FROM users WHERE id = CAST('7' AS integer);
SELECT id FROM users WHERE id = bigint '7';
SELECT id FROM users WHERE id = 7::float8;
SELECT id FROM users WHERE id = 7e0;
SELECT id FROM users WHERE id = 1e1;
SELECT id FROM users WHERE id = 9007199254740993;
SELECT id FROM users WHERE id = 9007199254740993::float8 ORDER BY id;
SELECT id FROM users WHERE id = 9007199254740993::numeric;
SELECT id FROM users WHERE id = 9223372036854775807;
SELECT id FROM users WHERE id = 9223372036854775808;
SELECT id FROM users WHERE id = - -7;
SELECT id FROM users WHERE id = 3 + 4;
SELECT id FROM users WHERE id = '';
SELECT id FROM users WHERE id = 'seven';
SELECT id FROM users WHERE id = '7.0';
SELECT id FROM users WHERE id = '0x7';
SELECT id FROM users WHERE id = true;
SELECT id FROM users WHERE id = '7'::text;
SELECT id FROM users WHERE id = NULL;
SELECT id FROM users WHERE id = NULL::bigint;
SELECT count(*) FROM users WHERE id = NULL;
SELECT id FROM users WHERE NULL;
SELECT count(*) FROM events WHERE user_id = '{532A7B8E-0328-A8D0-5A8E-6258B28B9A36}';
SELECT count(*) FROM events WHERE user_id = '532a7b8e0328a8d05a8e6258b28b9a36';
SELECT count(*) FROM events WHERE user_id = 'no uuid';
-- params:  7 
-- params: +007
-- params: -7
SELECT id FROM users WHERE id = $1;
-- params: 7.0
-- params: 7.5
-- params: 9007199254740993
SELECT id FROM users WHERE id = $1::numeric;
-- params: 9007199254740993
-- params: 7
SELECT id FROM users WHERE id = $1::float8 ORDER BY id;
-- params: 7
-- params: 40000
SELECT id FROM users WHERE id = $1::int2;
