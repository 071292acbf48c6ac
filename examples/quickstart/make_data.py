#!/usr/bin/env python3
"""Makes the quickstart's data: the same bytes' worth of rows every time, from one seed.

    python3 -m venv venv && venv/bin/pip install pyarrow && venv/bin/python make_data.py

The results are committed; only someone who changes the data runs this. Every account, product and number is invented.

`day1` is a warehouse on some morning in June, `day2` the next morning: about 3 in 100 accounts used more, a dozen are
new, a few are gone, some changed their plan.
"""

import csv
import datetime
import decimal
import pathlib
import random

import pyarrow
import pyarrow.parquet

FOLDER = pathlib.Path(__file__).parent
ACCOUNTS = 2000
UTC = datetime.timezone.utc

PLANS = {  # plan: (weight, price of a seat, seats from, seats to, usual events a week)
    "free": (46, "0.00", 1, 3, 90),
    "starter": (30, "9.50", 1, 12, 2_000),
    "growth": (18, "19.90", 4, 60, 14_000),
    "enterprise": (6, "32.25", 40, 900, 160_000),
}
COUNTRIES = {"US": 30, "DE": 14, "GB": 11, "BR": 9, "IN": 9, "FR": 8, "JP": 6, "NL": 5, "KE": 4, "NZ": 4}
FIRST = (
    "Amber Birch Cobalt Delta Ember Fern Granite Harbor Indigo Juniper Kestrel Lumen Maple Nimbus Onyx Pine Quartz "
    "River Sable Tidal Umber Violet Willow Yarrow Zephyr Café Nordlicht São Über Île"
).split()
SECOND = (
    "Analytics Bakery Clinics Dental Energy Foods Freight Gardens Games Health Homes Insurance Labs Lending Logistics "
    "Media Mobility Music Optics Outdoor Payments Press Robotics Schools Software Sports Studio Textiles Tools Travel"
).split()
PRODUCTS = [
    ("Audit log", "security"), ("Single sign-on", "security"), ("IP allow list", "security"),
    ("Data residency", "security"), ("Sandbox", "platform"), ("Webhooks", "platform"), ("Bulk import", "platform"),
    ("Custom domain", "platform"), ("Priority queue", "platform"), ("Mobile push", "messaging"),
    ("SMS alerts", "messaging"), ("Email templates", "messaging"), ("Digest mails", "messaging"),
    ("Dashboards", "insight"), ("Cohorts", "insight"), ("Funnels", "insight"), ("Forecasts", "insight"),
    ("Anomaly alerts", "insight"), ("Onboarding call", "service"), ("Uptime promise", "service"),
    ("Solution design", "service"), ("Quarterly review", "service"), ("Translations", "content"),
    ("Help center", "content"),
]  # fmt: skip


def pick(random, weighted):
    return random.choices(list(weighted), list(weighted.values()))[0]


def new_account(random, account_id, created_at):
    plan = pick(random, {plan: facts[0] for plan, facts in PLANS.items()})
    _, price, fewest, most, _ = PLANS[plan]
    seats = min(most, fewest + int(random.expovariate(4 / (most - fewest + 1))))
    is_trial = plan != "free" and random.random() < 0.07
    return {
        "account_id": account_id,
        "name": f"{random.choice(FIRST)} {random.choice(SECOND)}",
        "plan": plan,
        "seats": seats,
        "country": pick(random, COUNTRIES),
        "created_at": created_at,
        "is_trial": is_trial,
        "mrr": decimal.Decimal(0) if is_trial else decimal.Decimal(price) * seats,
    }


def new_usage(random, account):
    """Events and megabytes of the month's first two weeks."""
    usual = PLANS[account["plan"]][4] * random.lognormvariate(-0.35, 0.55)
    weeks = []
    for day in ("2026-06-01", "2026-06-08"):
        events = int(usual * random.uniform(0.7, 1.3))
        weeks.append({"account_id": account["account_id"], "week": day, "events": events, "storage_mb": events // 40 + 3})
    return weeks


def new_views(random, account):
    """How often people of the account looked at products that it does not have."""
    if random.random() < 0.25:
        return []
    seen = random.sample(range(1, len(PRODUCTS) + 1), random.randint(1, 7))
    return [
        {"account_id": account["account_id"], "product_id": product, "views": 1 + int(random.expovariate(0.3))}
        for product in sorted(seen)
    ]


def first_day(random):
    start = datetime.datetime(2021, 1, 4, 8, 0, tzinfo=UTC)
    minutes = sorted(random.sample(range(5 * 365 * 24 * 60), ACCOUNTS))
    accounts, usage, views = [], [], []
    for number, minute in enumerate(minutes):
        account = new_account(random, 10_001 + number, start + datetime.timedelta(minutes=minute))
        accounts.append(account)
        usage += new_usage(random, account)
        views += new_views(random, account)
    return accounts, usage, views


def next_day(random, accounts, usage, views):
    accounts, usage, views = ([dict(row) for row in rows] for rows in (accounts, usage, views))
    gone = {account["account_id"] for account in random.sample(accounts, 6)}
    accounts = [account for account in accounts if account["account_id"] not in gone]
    usage = [row for row in usage if row["account_id"] not in gone]
    views = [row for row in views if row["account_id"] not in gone]

    busy = {account["account_id"] for account in random.sample(accounts, 60)}
    for row in usage:
        if row["account_id"] in busy and row["week"] == "2026-06-08":
            more = int(row["events"] * random.uniform(0.05, 0.6)) + 5
            row["events"] += more
            row["storage_mb"] += more // 40
    curious = {account["account_id"] for account in random.sample(accounts, 40)}
    for row in views:
        if row["account_id"] in curious and random.random() < 0.5:
            row["views"] += random.randint(1, 9)

    for account in random.sample([account for account in accounts if account["plan"] == "starter"], 5):
        account["plan"] = "growth"
        account["is_trial"] = False
        account["mrr"] = decimal.Decimal(PLANS["growth"][1]) * account["seats"]

    morning = datetime.datetime(2026, 6, 11, 6, 30, tzinfo=UTC)
    for number in range(12):
        account = new_account(random, 10_001 + ACCOUNTS + number, morning + datetime.timedelta(minutes=37 * number))
        accounts.append(account)
        usage += new_usage(random, account)[1:]
        views += new_views(random, account)
    return accounts, usage, views


def write_parquet(path, rows, schema):
    table = pyarrow.Table.from_pylist(rows, pyarrow.schema(schema))
    pyarrow.parquet.write_table(table, path, compression="zstd", compression_level=19)


def write_csv(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_day(name, accounts, usage, views):
    folder = FOLDER / name
    folder.mkdir(exist_ok=True)
    write_parquet(
        folder / "accounts.parquet",
        accounts,
        [
            ("account_id", pyarrow.int64()),
            ("name", pyarrow.string()),
            ("plan", pyarrow.string()),
            ("seats", pyarrow.int32()),
            ("country", pyarrow.string()),
            ("created_at", pyarrow.timestamp("us", "UTC")),
            ("is_trial", pyarrow.bool_()),
            ("mrr", pyarrow.decimal128(10, 2)),
        ],
    )
    write_parquet(
        folder / "views.parquet",
        views,
        [("account_id", pyarrow.int64()), ("product_id", pyarrow.int32()), ("views", pyarrow.int32())],
    )
    write_csv(folder / "usage.csv", usage)
    write_csv(
        folder / "products.csv",
        [{"product_id": i, "name": name, "area": area} for i, (name, area) in enumerate(PRODUCTS, 1)],
    )


def main():
    seeded = random.Random(20260610)
    day1 = first_day(seeded)
    write_day("day1", *day1)
    write_day("day2", *next_day(seeded, *day1))


if __name__ == "__main__":
    main()
