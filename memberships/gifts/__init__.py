"""Memberships given away: gifts that are paid for, codes that staff make, and redeeming both."""
