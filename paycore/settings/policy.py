"""The company's own decisions, each changeable without a line of code."""

from paycore.settings import env

PAYCORE_ORDER_LIFETIME_SECONDS = env.number("PAYCORE_ORDER_LIFETIME_SECONDS", 30 * 60)
PAYCORE_SURPLUS_POLICY = env.text("PAYCORE_SURPLUS_POLICY", "refund")
"""Money for an order that cannot take it: ``refund`` at once, or ``hold`` until a person decides."""
PAYCORE_MAX_PAYMENT_ATTEMPTS = env.number("PAYCORE_MAX_PAYMENT_ATTEMPTS", 3)
PAYCORE_CHARGES_AT_ONCE = env.number("PAYCORE_CHARGES_AT_ONCE", 8)
"""How many providers' answers one worker waits for at once when it collects renewals."""
PAYCORE_GRACE_DAYS = env.number("PAYCORE_GRACE_DAYS", 3)
"""How long a membership goes on after a renewal could not be collected for the first time."""
PAYCORE_RENEWAL_RETRY_DAYS = [int(days) for days in env.items("PAYCORE_RENEWAL_RETRY_DAYS", "1,3,5,7")]
"""How many days after the first failure it is tried again; with the last one the membership ends."""
PAYCORE_RENEWAL_ORDER_DAYS = env.number("PAYCORE_RENEWAL_ORDER_DAYS", 21)
"""How long the order of a renewal can be paid: longer than the attempts to collect it take."""
PAYCORE_MAX_PAYMENT_METHODS = env.number("PAYCORE_MAX_PAYMENT_METHODS", 20)
"""How many payment methods one person may have saved."""
PAYCORE_EARLY_ALERT_REFUND = {
    currency: int(minor) for currency, minor in (pair.split("=") for pair in env.items("PAYCORE_EARLY_ALERT_REFUND"))
}
"""Up to how much (minor units, by currency) an early dispute alert is refunded at once instead of being answered."""
PAYCORE_GATEWAY_DEADLINE_SECONDS = env.number("PAYCORE_GATEWAY_DEADLINE_SECONDS", 8)
PAYCORE_ROUTING_FAILURE_COST_BASIS_POINTS = env.number("PAYCORE_ROUTING_FAILURE_COST_BASIS_POINTS", 500)
"""What a payment that fails costs us, as a share of its amount: the weight of success against fees in routing."""
PAYCORE_ROUTING_FAILURES_TO_OPEN = env.number("PAYCORE_ROUTING_FAILURES_TO_OPEN", 3)
"""After so many technical failures in a row a gateway account is left alone for a while."""
PAYCORE_RISK_REVIEW_SECONDS = env.number("PAYCORE_RISK_REVIEW_SECONDS", 24 * 3600)
"""How long a payment may wait for a person's risk review; then it is given up."""
PAYCORE_ALERTS_TO = env.items("PAYCORE_ALERTS_TO")
PAYCORE_SANDBOX_MODE = env.flag("PAYCORE_SANDBOX_MODE")
PAYCORE_LONG_POLL_SLOTS = env.number("PAYCORE_LONG_POLL_SLOTS", 2)
PAYCORE_KYC_DOCUMENT_DAYS = env.number("PAYCORE_KYC_DOCUMENT_DAYS", 30)
"""How long the files of an identity check are kept after its decision."""
PAYCORE_ERASURE_GRACE_DAYS = env.number("PAYCORE_ERASURE_GRACE_DAYS", 14)
"""How long a person may still change their mind after asking to be erased."""
PAYCORE_EXPORT_HOURS = env.number("PAYCORE_EXPORT_HOURS", 24)
"""How long an archive of somebody's data can be downloaded."""
PAYCORE_MESSAGES_KEEP_DAYS = env.number("PAYCORE_MESSAGES_KEEP_DAYS", 90)
"""How long a message is kept after it was written, sent or given up."""
PAYCORE_WEBHOOKS_ALLOW_PRIVATE = env.flag("PAYCORE_WEBHOOKS_ALLOW_PRIVATE")
"""Whether merchants' webhooks may go to http:// and to addresses that are not public: for one machine only."""
PAYCORE_WEBHOOKS_DISABLE_AFTER_DAYS = env.number("PAYCORE_WEBHOOKS_DISABLE_AFTER_DAYS", 5)
"""An endpoint whose every attempt failed for so long is disabled, and its merchant told."""
PAYCORE_WEBHOOKS_KEEP_DAYS = env.number("PAYCORE_WEBHOOKS_KEEP_DAYS", 30)
"""How long merchants' events and the log of their deliveries are kept."""
PAYCORE_STATEMENT_BOUNDARY_SECONDS = env.number("PAYCORE_STATEMENT_BOUNDARY_SECONDS", 2 * 3600)
"""How near the end of a day a record may be and still be looked for in the next day's statement."""
PAYCORE_STATEMENT_OVERDUE_SECONDS = env.number("PAYCORE_STATEMENT_OVERDUE_SECONDS", 12 * 3600)
"""How long after the end of its day a statement that has not come becomes a case."""
PAYCORE_BANK_SECOND_PERSON_ABOVE_MINOR = env.number("PAYCORE_BANK_SECOND_PERSON_ABOVE_MINOR", 10_000)
"""Decisions about bank lines above so much (minor units) need a second person."""
PAYCORE_WALLET_TOP_UP_MIN = env.items("PAYCORE_WALLET_TOP_UP_MIN", "USD=5,EUR=5,GBP=5,CNY=30,HKD=40,JPY=500")
PAYCORE_WALLET_TOP_UP_MAX = env.items(
    "PAYCORE_WALLET_TOP_UP_MAX", "USD=500,EUR=500,GBP=500,CNY=3000,HKD=4000,JPY=50000"
)
"""The smallest and largest top-up, in major units; a currency without both has no top-ups."""
PAYCORE_WALLET_BALANCE_MAX = env.items(
    "PAYCORE_WALLET_BALANCE_MAX", "USD=2000,EUR=2000,GBP=2000,CNY=15000,HKD=16000,JPY=300000"
)
"""What a wallet may hold by topping up; a currency that is not named has no such limit."""
PAYCORE_WALLET_WITHDRAWAL_MIN = env.items("PAYCORE_WALLET_WITHDRAWAL_MIN", "EUR=5")
PAYCORE_WALLET_WITHDRAWAL_MAX = env.items("PAYCORE_WALLET_WITHDRAWAL_MAX", "EUR=2000")
"""The smallest and largest withdrawal; a currency without both has none: payouts are SEPA credit transfers."""
PAYCORE_WALLET_WITHDRAWAL_SECOND_PERSON_ABOVE = env.items("PAYCORE_WALLET_WITHDRAWAL_SECOND_PERSON_ABOVE", "EUR=500")
"""Above it two people must agree; in a currency that is not named, always."""
PAYCORE_WALLET_WITHDRAWALS_A_DAY = env.number("PAYCORE_WALLET_WITHDRAWALS_A_DAY", 5)
PAYCORE_WALLET_HOLD_DAYS = env.number("PAYCORE_WALLET_HOLD_DAYS", 7)
"""How long a merchant may leave a user's money on hold before it is the user's again."""
PAYCORE_PRICE_NOTICE_DAYS = env.number("PAYCORE_PRICE_NOTICE_DAYS", 30)
"""How long before members pay a higher price they are told, at least 30 days."""
PAYCORE_MEMBERSHIP_REFUND = env.text("PAYCORE_MEMBERSHIP_REFUND", "prorated")
"""What a member who cancels at once gets back of the running period: ``none``, ``prorated`` (the unused time) or
``full``."""
PAYCORE_MEMBERSHIP_MANAGE_URL = env.text("PAYCORE_MEMBERSHIP_MANAGE_URL", "")
"""Where in the app or on the site members manage what we sold them."""
PAYCORE_PAUSE_MOST_DAYS = env.number("PAYCORE_PAUSE_MOST_DAYS", 90)
"""A pause is over after so many days, whatever was asked for."""
PAYCORE_START_MOST_DAYS_AHEAD = env.number("PAYCORE_START_MOST_DAYS_AHEAD", 366)
"""How far ahead a membership may be arranged."""
PAYCORE_QUOTE_SECONDS = env.number("PAYCORE_QUOTE_SECONDS", 15 * 60)
"""How long the preview of a change can be had at its own second."""
PAYCORE_MEMBERSHIP_SECOND_PERSON_ABOVE_MINOR = env.number("PAYCORE_MEMBERSHIP_SECOND_PERSON_ABOVE_MINOR", 10_000)
"""What staff give a member or send back above so much (minor units) needs a second person."""
PAYCORE_BULK_SECOND_PERSON_ABOVE = env.number("PAYCORE_BULK_SECOND_PERSON_ABOVE", 50)
"""What staff do to more memberships than this at once needs a second person."""
PAYCORE_GATEWAYS_MAY_BE_REPLACED = False
"""Whether a gateway account may name another address, or other roots of trust, than its provider's own: for one machine
and tests only, so there is no variable for it."""
PAYCORE_PROMOTION_SECOND_PERSON_ABOVE = env.items(
    "PAYCORE_PROMOTION_SECOND_PERSON_ABOVE", "USD=1000,EUR=1000,GBP=1000,CNY=7000,HKD=8000,JPY=150000"
)
"""A promotion with a larger budget (major units), or with none, is activated by another person than who wrote it."""
PAYCORE_PROMOTION_SECOND_PERSON_ABOVE_DAYS = env.number("PAYCORE_PROMOTION_SECOND_PERSON_ABOVE_DAYS", 3_000)
"""The same for free days: uses times days. And for batches of redeem codes: codes times uses times days."""
PAYCORE_STRIPE_SCRIPT_URL = env.text("PAYCORE_STRIPE_SCRIPT_URL", "https://js.stripe.com/v3/")
"""Where the card form's script comes from: Stripe's own in production, a stand-in elsewhere."""
PAYCORE_INVOICE_PREFIX = env.text("PAYCORE_INVOICE_PREFIX", "PC")
PAYCORE_CREDIT_NOTE_PREFIX = env.text("PAYCORE_CREDIT_NOTE_PREFIX", "PCC")
"""What the numbers of memberships' invoices and credit notes begin with."""
PAYCORE_INVOICE_SELLER = env.text("PAYCORE_INVOICE_SELLER")
"""Who sells memberships, as invoices print it: name, address and tax number, lines divided by "|"."""
PAYCORE_INVOICE_VOID_SECOND_PERSON_ABOVE_MINOR = env.number("PAYCORE_INVOICE_VOID_SECOND_PERSON_ABOVE_MINOR", 10_000)
"""Voiding an unpaid invoice above so much (minor units) needs a second person."""
PAYCORE_STORE_SILENCE_HOURS = env.number("PAYCORE_STORE_SILENCE_HOURS", 168)
"""How long after the end of a period an app store may be silent before the membership it sold rests. Apple repeats news
that did not reach us up to 157 hours after it was first sent."""
PAYCORE_STORE_TRANSFER_MINUTES = env.number("PAYCORE_STORE_TRANSFER_MINUTES", 15)
"""How long the code is good with which a purchase in an app store is handed to another account."""
PAYCORE_APPLE_ROOTS = env.text("PAYCORE_APPLE_ROOTS", "")
"""A file with the roots (PEM) that what the App Store signs must lead to. Empty: Apple Root CA - G3, enclosed."""
PAYCORE_PLAY_ADDRESS = env.text("PAYCORE_PLAY_ADDRESS", "https://androidpublisher.googleapis.com")
