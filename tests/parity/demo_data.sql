-- Rows of the demo, put on every shard and on the twin; the tests then take off each shard the rows that belong to others.
-- Ties, NULLs, negative numbers, text beyond ASCII, keys that a float8 cannot tell apart, a region that lives on one shard
-- only.
INSERT INTO users SELECT i, 'u' || i || '@example.com',
  CASE WHEN i % 11 = 0 THEN NULL ELSE (ARRAY['Ann','Bob','Çelik','Dora','ann','Zoë','李','O''Neil',''])[1 + i % 9] END,
  (ARRAY['eu','us','apac',NULL,'eu'])[1 + i % 5], (ARRAY['free','pro','gold','free',NULL,'pro','free'])[1 + i % 7],
  CASE WHEN i % 13 = 0 THEN NULL ELSE timestamptz '2023-06-01 10:00+00' + (i % 17) * interval '31 hours' END
  FROM generate_series(0, 48) i;
INSERT INTO users VALUES (-7, 'minus@example.com', 'Minus', 'isle', 'gold', '2022-02-28 23:59:59.999999+00'),
  (9007199254740992, 'big@example.com', 'Big', 'us', 'pro', '2023-12-31 12:00+00'),
  (9007199254740993, 'bigger@example.com', 'Bigger', 'us', 'pro', '2023-12-31 12:00+00'),
  (9223372036854775807, 'most@example.com', NULL, NULL, NULL, NULL);
-- Users 5, 10, 15, ... have no account.
INSERT INTO accounts SELECT u.id * 10 + j, u.id, (ARRAY['checking','savings','broker',NULL])[1 + (u.id + j) % 4],
  (ARRAY['EUR','USD','JPY','CHF','EUR'])[1 + (u.id * 3 + j) % 5],
  CASE WHEN (u.id + j) % 10 = 3 THEN NULL ELSE ((u.id * 7919 + j * 104729) % 400000 - 50000) / 100.0 END,
  timestamptz '2023-07-01 00:00+00' + ((u.id * 5 + j) % 20) * interval '1 day'
  FROM users u, generate_series(0, 2) j WHERE u.id BETWEEN 0 AND 100 AND u.id % 5 <> 0 AND j <= u.id % 4;
INSERT INTO accounts VALUES (-70, -7, 'checking', 'USD', -12.50, '2023-01-01+00'),
  (9007199254740992, 9007199254740993, 'savings', 'GBP', 0.00, '2024-01-01+00');
-- Transactions also of users that do not exist; amounts with ties, NULL and negative.
INSERT INTO transactions SELECT i, (i * 7) % 53, ((i * 7) % 53) * 10 + i % 3, CASE WHEN i % 12 = 0 THEN NULL ELSE i % 9 END,
  CASE WHEN i % 15 = 0 THEN NULL ELSE ((i * 37) % 200 - 60) * 1.25 END,
  CASE WHEN i % 6 = 0 THEN NULL ELSE 'note ' || i % 5 || CASE WHEN i % 10 = 0 THEN ' – café' ELSE '' END END,
  CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN '{}'::text[] WHEN 2 THEN ARRAY['food','rent'] WHEN 3 THEN ARRAY['travel']
    ELSE ARRAY['a,b', NULL, '"q"'] END,
  timestamptz '2024-01-01 06:00+00' + (i % 100) * interval '29 hours'
  FROM generate_series(1, 300) i;
INSERT INTO categories VALUES (1, 'Food', NULL), (2, 'Restaurants', 1), (3, 'Groceries', 1), (4, 'Travel', NULL),
  (5, 'Flights', 4), (6, 'Hotels', 4), (7, NULL, NULL), (8, 'Überraschung', 7), (20, 'Unused', NULL);
INSERT INTO settings VALUES ('theme', '{"dark": true}'), ('limits', '{"daily": 500, "tags": ["a", "b"]}'), ('empty', NULL);
INSERT INTO events SELECT md5('e' || i)::uuid, md5('u' || i % 12)::uuid,
  CASE WHEN i % 7 = 0 THEN NULL ELSE jsonb_build_object('kind', (ARRAY['login','trade','logout'])[1 + i % 3], 'n', i % 4) END,
  timestamptz '2024-02-01 00:00+00' + (i % 9) * interval '1 hour' FROM generate_series(1, 60) i;
INSERT INTO archive.accounts SELECT i, i % 10, i * 1.5 FROM generate_series(1, 30) i;
INSERT INTO "Order Lines" SELECT i % 8, 'line ' || i % 3, i FROM generate_series(1, 24) i;
