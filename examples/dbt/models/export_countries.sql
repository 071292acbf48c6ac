{{ config(schema='export', alias='countries', materialized='view') }}

select country, count(*) as customers
from {{ ref('raw_customers') }}
group by country
order by country
