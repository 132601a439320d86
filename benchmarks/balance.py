"""G7: the balance of a busy account, before and after it has seen a million legs, against one primary-key read."""

from benchmarks.rig.alone import repeat
from benchmarks.rig.databases import prepare_ours, require_durable, run_sql
from benchmarks.rig.rounds import Result, pace, play
from benchmarks.rig.tables import conditions, table

SIZES = (1_000, 1_000_000)
_CODE = "gateway:busy"
# Both sides of the account in turn, spread over its shards; balances as the transfers make them.
_FILL = """
    INSERT INTO payments_ledgeraccount (code, currency, shard, kind, must_not_overdraw, balance_minor)
    SELECT code, 'USD', shard, kind, false, 0
    FROM (VALUES ('gateway:busy', 'asset'), ('merchant:busy:pending', 'liability')) AS side(code, kind),
         generate_series(0, 15) AS shard
    ON CONFLICT DO NOTHING;
    INSERT INTO payments_posting (business_type, business_id, phase)
    SELECT 'bench', i::text, '{size}' FROM generate_series(1, {size}) AS i;
    INSERT INTO payments_transfer (posting_id, debit_account_id, credit_account_id, amount_minor)
    SELECT p.id, debit.id, credit.id, 100
    FROM payments_posting AS p
    JOIN payments_ledgeraccount AS debit ON debit.code = 'gateway:busy' AND debit.shard = p.id % 16
    JOIN payments_ledgeraccount AS credit ON credit.code = 'merchant:busy:pending' AND credit.shard = p.id % 16
    WHERE p.phase = '{size}';
    UPDATE payments_ledgeraccount AS a SET balance_minor = (
        SELECT coalesce(sum(amount_minor), 0) FROM payments_transfer
        WHERE debit_account_id = a.id OR credit_account_id = a.id
    );
    ANALYZE
"""


def main() -> None:
    url = prepare_ours()
    conditions(require_durable(url), f"one process, one connection, {pace()}; the account has 16 shards")
    found = {size: _measure(url, size) for size in SIZES}
    table(
        ["legs of the account", "balance ms", "primary-key read ms", "balance ÷ read", "cap (CPU, read ÷ balance)"],
        [
            [
                f"{size:,}",
                1000 / balance.per_second,
                1000 / read.per_second,
                read.per_second / balance.per_second,
                read.cpu_ms / balance.cpu_ms,
            ]
            for size, (read, balance) in found.items()
        ],
    )
    small, large = (found[size][1] for size in SIZES)
    table(["balance (G7)", "at 1,000,000 ÷ at 1,000"], [["", small.per_second / large.per_second]])


def _measure(url: str, size: int) -> tuple[Result, Result]:
    from payments.ledger.models import LedgerAccount
    from payments.ledger.queries import balance_of

    run_sql(url, _FILL.format(size=size))
    run_sql(url, "VACUUM ANALYZE")
    account_id = LedgerAccount.objects.filter(code=_CODE).values_list("id", flat=True)[0]
    if balance_of(_CODE, currency="USD").minor < 100 * size:
        raise SystemExit("the account was not filled")
    results = play(
        {
            "read": lambda: repeat(url, lambda: LedgerAccount.objects.get(id=account_id), seconds=2),
            "balance": lambda: repeat(url, lambda: balance_of(_CODE, currency="USD"), seconds=2),
        }
    )
    return results["read"], results["balance"]


if __name__ == "__main__":
    main()
