-- What the application shows of a customer.
{{ config(schema='export', alias='customers') }}

select
    customers.customer_id,
    customers.name,
    count(orders.order_id) as orders,
    coalesce(sum(orders.amount), 0)::decimal(12, 2) as spent,
    max(orders.ordered_on)::date as last_ordered_on
from {{ ref('raw_customers') }} as customers
left join {{ ref('raw_orders') }} as orders using (customer_id)
group by all
order by customer_id
