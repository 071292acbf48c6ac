-- What the application shows above every page: how much of its month's quota an account has used.
WITH quota (plan, events) AS (
    VALUES ('free', 250), ('starter', 6000), ('growth', 40000), ('enterprise', 500000)
),

used AS (
    SELECT account_id, sum(events) AS events
    FROM usage
    WHERE week >= DATE '2026-06-01'
    GROUP BY account_id
),

measured AS (
    SELECT
        a.account_id,
        a.plan,
        coalesce(u.events, 0) AS events_used,
        q.events AS events_quota,
        CAST(100 * coalesce(u.events, 0) / q.events AS INT) AS percent_used
    FROM accounts AS a
    INNER JOIN quota AS q ON a.plan = q.plan
    LEFT JOIN used AS u ON a.account_id = u.account_id
)

SELECT
    account_id,
    events_used,
    events_quota,
    percent_used,
    CASE
        WHEN percent_used >= 100 THEN 'blocked'
        WHEN percent_used >= 80 THEN 'warning'
        ELSE 'none'
    END AS level,
    CASE
        WHEN percent_used >= 100 AND plan = 'enterprise' THEN 'Your quota is used up. Your account manager will call you.'
        WHEN percent_used >= 100 THEN 'Your quota is used up. Upgrade to go on sending events.'
        WHEN percent_used >= 80 THEN 'You have used ' || CAST(percent_used AS VARCHAR) || ' % of this month''s events.'
    END AS banner
FROM measured
ORDER BY account_id
