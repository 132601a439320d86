"""Alipay (支付宝), open platform 1.0 protocol: app, page, QR and 周期扣款 payments in CNY."""
