-- Unquoted names are upper case in Snowflake: in quotes, the columns are called what the application calls them.
select column1 as "customer_id", column2 as "name", column3 as "seats"
from values (1, 'Acme', 12), (2, 'Globex', 1)
