select account_id, region, banner from customers;
