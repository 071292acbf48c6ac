-- One row an account: sums are cast, because sum() has no scale of its own.
SELECT a.id                                         AS account_id,
       a.plan,
       coalesce(sum(o.amount), 0)::numeric(18,2)    AS ordered,
       max(o.at)                                    AS last_order_at,
       array_agg(DISTINCT o.product ORDER BY o.product) FILTER (WHERE o.product IS NOT NULL) AS products
FROM accounts AS a
LEFT JOIN orders AS o ON o.account_id = a.id
GROUP BY a.id, a.plan
ORDER BY a.id
