-- 500 that are due, in one statement and one transaction.
with due as materialized (
  select id, user_id, amount, currency, number from renew.subscription
  where due_at <= now() and status = 1 order by due_at limit 500 for no key update skip locked
), moved as (
  update renew.subscription s set number = s.number + 1, due_at = s.due_at + interval '1 month'
  from due where s.id = due.id
), invoice as (
  insert into renew.invoice(subscription_id, number, amount, currency, status)
  select id, number + 1, amount, currency, 2 from due returning id, subscription_id, amount, currency
), orders as (
  insert into renew.orders(invoice_id, user_id, amount, currency, status)
  select invoice.id, due.user_id, invoice.amount, invoice.currency, 2 from invoice join due on due.id = invoice.subscription_id
  returning id, invoice_id, amount, currency
), journal as (
  insert into renew.journal(kind, ref_id) select 1, id from orders returning id, ref_id
), line as (
  insert into renew.line(journal_id, account_id, amount, currency)
  select journal.id, leg.account, leg.sign * orders.amount, orders.currency
  from journal join orders on orders.id = journal.ref_id
  cross join (values (1, 1), (2, -1), (2, 1), (3, -1)) as leg(account, sign)
), news as (
  insert into renew.outbox(topic, payload)
  select 'subscription.renewed', jsonb_build_object('order', id, 'amount', amount) from orders
)
select count(*) from due;
