//! Parses order lines such as `Ada  Lovelace|2 x tea|1.200,50 EUR` into purchases, and says why it cannot.

use wasmigrate_sdk::prelude::*;

struct ParseOrders;

impl Step for ParseOrders {
    const SUMMARY: &'static str = "parses order lines into purchases";

    fn count(database: &Database) -> Result<Option<u64>> {
        let count: i64 = database.query_value("SELECT count(*) FROM order_line", params![])?;
        Ok(u64::try_from(count).ok())
    }

    fn migrate(database: &mut Database, resume: Resume) -> Result<()> {
        if resume.position::<i64>()?.is_none() {
            parse_all(database)?;
            database.checkpoint(&1_i64)?;
        }
        let customers = database.execute(
            "INSERT INTO customer_total (customer, cents) SELECT customer, sum(cents) FROM purchase GROUP BY customer",
            params![],
        )?;
        info!("{customers} customers");
        Ok(())
    }
}

impl Finalize for ParseOrders {
    fn finalize(database: &Database) -> Result<()> {
        database.execute("DROP TABLE order_line", params![])?;
        Ok(())
    }
}

impl Reset for ParseOrders {
    fn reset(database: &Database) -> Result<()> {
        for table in ["customer_total", "bad_line", "purchase"] {
            database.execute(&format!("DROP TABLE IF EXISTS {table}"), params![])?;
        }
        Ok(())
    }
}
export!(ParseOrders);

fn parse_all(database: &Database) -> Result<()> {
    for table in [
        "CREATE TABLE purchase (id BIGINT PRIMARY KEY, customer TEXT NOT NULL, item TEXT NOT NULL, \
         quantity BIGINT NOT NULL, cents BIGINT NOT NULL)",
        "CREATE TABLE bad_line (id BIGINT PRIMARY KEY, reason TEXT NOT NULL)",
        "CREATE TABLE customer_total (customer TEXT PRIMARY KEY, cents BIGINT NOT NULL)",
    ] {
        database.execute(table, params![])?;
    }
    let mut purchases =
        database.loader("purchase", &["id", "customer", "item", "quantity", "cents"]);
    let mut bad_lines = BatchBuilder::new(2);
    let mut done = 0;
    for row in database.query("SELECT id, line FROM order_line ORDER BY id", params![])? {
        let row = row?;
        let id: i64 = row.get(0)?;
        match parse(row.get(1)?) {
            Ok(it) => purchases.push(params![id, &*it.customer, it.item, it.quantity, it.cents])?,
            Err(reason) => bad_lines.push(params![id, reason])?,
        }
        done += 1;
        if done % 1_000 == 0 {
            progress(done, None);
        }
    }
    let good = purchases.finish()?;
    let bad = database.execute_many(
        "INSERT INTO bad_line (id, reason) VALUES ($1, $2)",
        &bad_lines.build()?,
    )?;
    info!("{good} purchases, {bad} bad lines");
    Ok(())
}

struct Purchase<'line> {
    customer: String,
    item: &'line str,
    quantity: i64,
    cents: i64,
}

fn parse(line: &str) -> Result<Purchase<'_>, &'static str> {
    let mut parts = line.split('|');
    let (Some(customer), Some(what), Some(price), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("not three parts");
    };
    let what = what.trim_ascii();
    let rest = what.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let digits = what.get(..what.len() - rest.len()).unwrap_or_default();
    let item = rest
        .trim_ascii_start()
        .strip_prefix('x')
        .ok_or("no quantity")?;
    let quantity: i64 = digits.parse().map_err(|_| "no quantity")?;
    let price = price
        .trim_ascii()
        .strip_suffix("EUR")
        .ok_or("no currency")?;
    let cents = cents(price.trim_ascii()).ok_or("no price")?;
    let customer: Vec<&str> = customer.split_ascii_whitespace().collect();
    let (customer, item) = (customer.join(" "), item.trim_ascii());
    if customer.is_empty() || item.is_empty() || quantity <= 0 {
        return Err("something is empty");
    }
    Ok(Purchase {
        customer,
        item,
        quantity,
        cents,
    })
}

/// Digits, with points between them, and two more after a comma.
fn cents(price: &str) -> Option<i64> {
    let (whole, fraction) = price.split_once(',').unwrap_or((price, "00"));
    let is_digit = |letter: char| letter.is_ascii_digit();
    if !whole.starts_with(is_digit) || fraction.len() != 2 || !fraction.chars().all(is_digit) {
        return None;
    }
    format!("{}{fraction}", whole.replace('.', "")).parse().ok()
}
