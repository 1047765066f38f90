"""parses order lines into purchases"""
import re

from wasmigrate import info, progress

PRICE = re.compile(r"(\d[\d.]*)(?:,(\d\d))?")


def count(db):
    return db.value("SELECT count(*) FROM order_line")


def migrate(db, resume):
    if resume is None:
        parse(db)
        db.checkpoint("parsed")
    customers = db.execute("INSERT INTO customer_total (customer, cents) SELECT customer, sum(cents) FROM purchase GROUP BY customer")
    info(customers, "customers")


def finalize(db):
    db.execute("DROP TABLE order_line")


def reset(db):
    for table in "customer_total", "bad_line", "purchase":
        db.execute(f"DROP TABLE IF EXISTS {table}")


def parse(db):
    db.execute("CREATE TABLE purchase (id BIGINT PRIMARY KEY, customer TEXT NOT NULL, item TEXT NOT NULL, quantity BIGINT NOT NULL, cents BIGINT NOT NULL)")
    db.execute("CREATE TABLE bad_line (id BIGINT PRIMARY KEY, reason TEXT NOT NULL)")
    db.execute("CREATE TABLE customer_total (customer TEXT PRIMARY KEY, cents BIGINT NOT NULL)")
    done = good = bad = 0
    for rows in db.batches("SELECT id, line FROM order_line ORDER BY id"):
        purchases, bad_lines = [], []
        for id, line in rows:
            try:
                purchases.append((id, *parse_line(line)))
            except ValueError as reason:
                bad_lines.append((id, str(reason)))
        good += db.load("purchase", ["id", "customer", "item", "quantity", "cents"], purchases)
        bad += db.execute_many("INSERT INTO bad_line (id, reason) VALUES ($1, $2)", bad_lines)
        progress(done := done + len(rows))
    print(f"{good} purchases, {bad} bad lines")


def parse_line(line):
    parts = line.split("|")
    if len(parts) != 3:
        raise ValueError("not three parts")
    customer, what, price = parts
    quantity, x, item = what.strip().partition("x")
    if not x or not quantity.strip().isascii() or not quantity.strip().isdigit():
        raise ValueError("no quantity")
    price = price.strip()
    if not price.endswith("EUR"):
        raise ValueError("no currency")
    price = PRICE.fullmatch(price[:-3].strip())
    if not price:
        raise ValueError("no price")
    cents = int(price[1].replace(".", "") + (price[2] or "00"))
    customer, item, quantity = " ".join(customer.split()), item.strip(), int(quantity)
    if not customer or not item or quantity <= 0:
        raise ValueError("something is empty")
    return customer, item, quantity, cents
