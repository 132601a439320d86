import os
import pytest
from datetime import timedelta
from django.conf import settings
from django.test import Client
from django.contrib.admin.utils import quote
from playwright.sync_api import Page, Browser
from merchants.services import create_api_key
from payments.orders.models import *
from payments.orders.models import Payment, Refund, Order
from payments.orders.refunds import RefundOrder, request_refund
from payments.orders.services import *
from payments.orders.charging import pay_order, PayInstruction
from payments.routing.models import GatewayAccount
from paycore.money import Money
from riskcontrol.models import Case, PaymentLimit
from memberships.models import Plan, Price
from tests.merchants.factories import make_user, make_member, make_merchant
from payments.ledger.models import LedgerAccount, Posting

def test_shots(address, merchant, account, sandbox, world, browser: Browser, transactional_db):
    settings.PAYCORE_SANDBOX_MODE = True
    from django.utils.translation import trans_real
    settings.LOCALE_PATHS=["/tmp/admins/locale"]; trans_real._translations.clear(); trans_real._default=None
    def pay(minor, cur="USD", scenario="approve", capture="automatic", method="card"):
        o = create_order(OrderDraft(merchant_id=merchant.id, amount=Money(minor, cur), description="Two notebooks", lines=[OrderLine("Notebook, ruled, 120 pages", minor+200, 2)], discount_minor=200, capture_method=capture, metadata={"cart":"77-B","campaign":"autumn"}))
        return pay_order(o, PayInstruction(method=method, return_url=address, options={"sandbox":{"scenario":scenario}}))
    GatewayAccount.objects.create(name="Backup sandbox", gateway="sandbox", base_url=sandbox.base_url, credentials={"secret":"x"}, methods=["card"], priority=200, is_enabled=False)
    for i in range(8): pay(1999+i*731)
    pay(5000,"JPY"); pay(12_345,"KWD")
    d=pay(1999, scenario="decline(insufficient_funds)")
    u=pay(4200, scenario="timeout_after_effect")
    h=pay(10_000, capture="manual")
    a=pay(2500, method="sandbox_redirect", scenario="require_action")
    big=pay(50_000)
    r=request_refund(RefundOrder(big.id, Money(20_000,"USD"), "The notebooks came broken, all of them", "key_01shop"))
    r2=request_refund(RefundOrder(big.id, Money(1_000,"USD"), "Late delivery", "key_01shop"))
    world.settle()
    c=Case.objects.create(kind="stuck", object_id=u.id, merchant=merchant, facts={"status":"submitting","last_answer":"timeout"})
    PaymentLimit.objects.create(merchant=None, currency="USD", max_amount_minor=1_000_000)
    plan=Plan.objects.create(code="premium", name_en="Premium", name_zh="高级会员", rank=1, features={"export":10,"ai":None})
    Price.objects.create(plan=plan, currency="USD", amount_minor=999)
    boss=make_user(is_staff=True,is_superuser=True); owner=make_member(merchant=merchant).user
    clients={}
    for name,u_ in (("ops",boss),("merchant",owner)):
        cl=Client(); cl.force_login(u_); clients[name]=cl.cookies["sessionid"].value
    acc=LedgerAccount.objects.filter(code__startswith="gateway").first()
    P=lambda m,row: f"/{m}/payments/{row._meta.model_name}/{quote(row.pk)}/change/"
    pages={
     "ops_index":("ops","/ops/"),"ops_orders":("ops","/ops/payments/order/"),"ops_order":("ops",P("ops",big.order)),
     "ops_payments":("ops","/ops/payments/payment/"),"ops_payment_unknown":("ops",P("ops",u)),"ops_payment_held":("ops",P("ops",h)),"ops_payment_big":("ops",P("ops",big)),
     "ops_refunds":("ops","/ops/payments/refund/"),"ops_refund":("ops",P("ops",r)),"ops_gwa":("ops",P("ops",account)),"ops_gwas":("ops","/ops/payments/gatewayaccount/"),
     "ops_ledger":("ops","/ops/payments/ledgeraccount/"),"ops_account":("ops",P("ops",acc)),"ops_postings":("ops","/ops/payments/posting/"),"ops_seals":("ops","/ops/payments/ledgerseal/"),
     "ops_receipts":("ops","/ops/payments/webhookreceipt/"),"ops_cases":("ops","/ops/riskcontrol/case/"),"ops_case":("ops",f"/ops/riskcontrol/case/{quote(c.pk)}/change/"),
     "ops_limit_add":("ops","/ops/riskcontrol/paymentlimit/add/"),"ops_plan":("ops",f"/ops/memberships/plan/{quote(plan.pk)}/change/"),"ops_plans":("ops","/ops/memberships/plan/"),
     "m_index":("merchant","/merchant/"),"m_payments":("merchant","/merchant/payments/payment/"),"m_payment":("merchant",P("merchant",big)),"m_order":("merchant",P("merchant",big.order)),"m_refunds":("merchant","/merchant/payments/refund/"),
    }
    dialogs={"ops_payment_held":"Capture","ops_refund":"Reject","m_payment":"Request a refund"}
    only=os.environ.get("ONLY"); modes=os.environ.get("MODES","desktop-light-en").split(",")
    for mode in modes:
        size,theme,lang=mode.split("-")
        for site in ("ops","merchant"):
            ctx=browser.new_context(viewport={"width":1400,"height":900} if size=="desktop" else {"width":390,"height":844}, color_scheme=theme, locale="en-US" if lang=="en" else "zh-CN")
            ctx.add_cookies([{"name":"sessionid","value":clients[site],"url":address}])
            pg=ctx.new_page(); errs=[]
            pg.on("console", lambda m: errs.append(m.text) if m.type in("error","warning") else None)
            for name,(s,url) in pages.items():
                if s!=site or (only and name not in only.split(",")): continue
                resp=pg.goto(address+url); pg.wait_for_timeout(250)
                pg.screenshot(path=f"/tmp/admins/{name}_{mode}.png", full_page=True)
                if pg.evaluate("document.documentElement.scrollWidth")>pg.evaluate("innerWidth"): print("WIDE",name,mode)
                if resp.status!=200: print("STATUS",name,resp.status)
                if name in dialogs and lang=="en":
                    if size=="phone":
                        continue
                    pg.get_by_role("link",name=dialogs[name],exact=False).first.click() if False else pg.locator("a[hx-get]",has_text=dialogs[name]).first.click()
                    pg.wait_for_timeout(600); pg.screenshot(path=f"/tmp/admins/{name}_dialog_{mode}.png")
            if errs: print("ERRS",site,mode,set(errs))
            ctx.close()
