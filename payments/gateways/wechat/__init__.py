"""WeChat Pay: APIv3 for payments, refunds and bills; its older XML interface for mandates (委托代扣)."""
