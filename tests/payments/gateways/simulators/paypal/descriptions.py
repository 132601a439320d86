"""PayPal's sentence for each issue: its description of the API lists them word by word."""

_NOT_APPROVED = (
    "Payer has not yet approved the Order for payment. Please redirect the payer to the 'rel':'approve' url returned "
    "as part of the HATEOAS links within the Create Order call"
)
DESCRIPTIONS = {
    "AGREEMENT_ALREADY_CANCELLED": "The requested agreement is already canceled.",
    "CANNOT_BE_ZERO_OR_NEGATIVE": (
        "Must be greater than zero. If the currency supports decimals, only two decimal place precision is supported."
    ),
    "DECIMAL_PRECISION": "If the currency supports decimals, only two decimal place precision is supported.",
    "DUPLICATE_INVOICE_ID": (
        "Duplicate Invoice ID detected. To avoid a potential duplicate transaction your account setting requires that "
        "Invoice Id be unique for each transaction."
    ),
    "INSTRUMENT_DECLINED": (
        "The instrument presented  was either declined by the processor or bank, or it can't be used for this payment."
    ),
    "INVALID_RESOURCE_ID": "Specified resource ID does not exist. Please check the resource ID and try again.",
    "MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED": "You have exceeded the maximum number of payment attempts.",
    "MISSING_REQUIRED_PARAMETER": "A required parameter is missing.",
    "NOT_PATCHABLE": "Cannot be patched.",
    "ORDER_ALREADY_AUTHORIZED": (
        "Order already authorized.If 'intent=AUTHORIZE' only one authorization per order is allowed."
    ),
    "ORDER_ALREADY_CAPTURED": "Order already captured.If 'intent=CAPTURE' only one capture per order is allowed.",
    "ORDER_ALREADY_COMPLETED": "The order cannot be patched after it is completed.",
    "ORDER_NOT_APPROVED": f"{_NOT_APPROVED} or provide a valid `payment_source` in the request.",
    "PAYER_ACCOUNT_LOCKED_OR_CLOSED": "The payer account cannot be used for this transaction.",
    "PAYER_ACTION_REQUIRED": "Transaction cannot complete successfully, instruct the buyer to return to PayPal.",
    "PAYER_CANNOT_PAY": (
        "Payer cannot pay for this transaction. Please contact the payer to find other ways to pay for this "
        "transaction."
    ),
    "TOKEN_ID_NOT_FOUND": "Specified token was not found. Verify the token and try the request again.",
    "TRANSACTION_LIMIT_EXCEEDED": "Total payment amount exceeded transaction limit.",
    "TRANSACTION_REFUSED": "The request was refused.",
}
