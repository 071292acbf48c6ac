-- For every account the three products that its people looked at most: one row with a list.
WITH ranked AS (
    SELECT
        v.account_id,
        p.name,
        v.views,
        row_number() OVER (PARTITION BY v.account_id ORDER BY v.views DESC, p.name ASC) AS place
    FROM views AS v
    INNER JOIN products AS p ON v.product_id = p.product_id
)

SELECT
    account_id,
    array_agg(name ORDER BY place) AS products,
    sum(views) AS views
FROM ranked
WHERE place <= 3
GROUP BY account_id
ORDER BY account_id
