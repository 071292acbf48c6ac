select customer_id, name, seats
from (values (1, 'Acme', 12), (2, 'Globex', 1)) as customers (customer_id, name, seats)
