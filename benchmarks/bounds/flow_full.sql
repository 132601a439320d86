-- The rows of pay_full.sql in the three transactions of a flow: the order; the attempt; what the callback changes.
\set uid random(1, 1000000)
\set amt random(100, 100000)
\set a1 random(4, 1000)
\set k1 random(1, 1000000000)
\set k2 random(1, 1000000000)
begin;
insert into pay.orders(user_id,amount,currency) values (:uid, :amt::bigint/100.0, 'USD') returning id as oid \gset
commit;
begin;
insert into pay.attempt(order_id,channel,amount,idem_key) values (:oid, 1, :amt::bigint/100.0, 'k-'||:k1::bigint||'-'||:k2::bigint) returning id as aid \gset
commit;
begin;
update pay.attempt set status=2, channel_txn='tx-'||:aid::bigint, updated_at=now() where id=:aid and status=0;
update pay.orders set status=2, updated_at=now() where id=:oid and status=0;
insert into pay.journal(kind,ref_id) values (1,:aid) returning id as jid \gset
insert into pay.line(journal_id,account_id,amount,currency) values (:jid,:a1,:amt::bigint/100.0,'USD'),(:jid,1,-(:amt::bigint)/100.0,'USD'),(:jid,2,0.30,'USD'),(:jid,3,-0.30,'USD');
insert into pay.outbox(topic,payload) values ('payment.succeeded', jsonb_build_object('order',:oid::bigint,'attempt',:aid::bigint,'amount',:amt::bigint));
commit;
