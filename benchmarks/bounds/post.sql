-- G8: one event of four legs on one clearing account, by the function that paycore posts with.
\set b random(1, 1000000000000000)
select ledger_post('bench', :b::bigint::text, 'ours', 'USD', array['gateway:clearing', 'expense:gateway_fees'], array['merchant:m:pending', 'gateway:clearing'], array[1999, 88]::bigint[]);
