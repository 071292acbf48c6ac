create schema marts;
create table marts.customers (customer_id bigint, name varchar, plan varchar, seats integer, renews_on date);
insert into marts.customers values (1, 'Acme', 'team', 12, '2026-03-01'), (2, 'Globex', 'free', 1, null);
