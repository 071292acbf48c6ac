-- One row per customer: what the application shows as their plan.
SELECT customer_id, name, plan, seats_used, seats_used > seats AS over_quota
FROM customers
