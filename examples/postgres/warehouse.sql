-- A small warehouse to try the example with: psql "$WAREHOUSE_URL" -f warehouse.sql
CREATE TABLE accounts (id bigint PRIMARY KEY, plan text NOT NULL, mrr numeric(12,2) NOT NULL);
CREATE TABLE orders (account_id bigint REFERENCES accounts, at timestamptz NOT NULL, product text, amount numeric(12,2));
INSERT INTO accounts
SELECT n, (ARRAY['free', 'team', 'enterprise'])[1 + n % 3], (n % 3) * 49.50 FROM generate_series(1, 300) AS n;
INSERT INTO orders
SELECT 1 + n % 250, timestamptz '2026-11-01 08:00:00+00' + n * interval '7 min', 'product ' || n % 7, n % 90 + 0.99
FROM generate_series(1, 2000) AS n;
