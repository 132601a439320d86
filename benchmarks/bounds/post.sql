-- G8: one event of four legs on one clearing account, by the function that paycore posts with.
-- A text with colons cannot stand here (pgbench takes it for variables): benchmarks/writers.py makes this function.
\set b random(1, 1000000000000000)
select bench_post(:b);
