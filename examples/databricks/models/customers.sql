select customer_id, name, plan, seats, renews_on
from marts.customers
order by customer_id
