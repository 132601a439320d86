"""`/membership/…`: pages for people who are not signed in."""

from django.urls import path

from memberships.price_changes.pages import PriceChangePage

urlpatterns = [
    path("price-change/<str:token>", PriceChangePage.as_view(), name="price-change"),
]
