import pytest

# Before it is imported, so that a failing assert in the shared contract says what it compared.
pytest.register_assert_rewrite("tests.payments.gateways.contract_tests", "tests.payments.gateways.sandbox_harness")
