select name, category, short_desc
from pg_settings
where category like 'Query Tuning%'
