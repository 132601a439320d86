-- G8: the same posting and transfers as rows only. Nobody's balance is moved, so nobody waits for anybody.
\set b random(1, 1000000000000000)
begin;
insert into payments_posting (business_type, business_id, phase, posted_at) values ('bench', :b::bigint::text, 'bound', clock_timestamp()) returning id as posting \gset
insert into payments_transfer (posting_id, debit_account_id, credit_account_id, amount_minor) values (:posting::bigint, :clearing, :merchant, 1999), (:posting::bigint, :fees, :clearing, 88);
commit;
