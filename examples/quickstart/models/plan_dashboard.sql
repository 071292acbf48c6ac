-- A dashboard inside the application: revenue by plan and country, exact to the cent.
SELECT
    plan,
    country,
    count(*) AS accounts,
    count(*) FILTER (WHERE is_trial) AS trials,
    sum(seats) AS seats,
    CAST(sum(mrr) AS DECIMAL(14, 2)) AS mrr,
    CAST(sum(mrr) / sum(seats) AS DECIMAL(14, 4)) AS mrr_per_seat,
    max(created_at) AS newest_account_at
FROM accounts
GROUP BY plan, country
ORDER BY plan, country
