//! Transformations: a pure function over a table, and all that the host does around it.

mod bad_rows;
mod commands;
mod crash;
pub mod customers;
mod filter;
mod finalize_pause;
mod keys;
mod laws;
mod left_out;
mod lines;
mod memory;
mod neighbours;
mod online;
pub mod pause;
mod postgres;
mod refusals;
mod refused;
pub mod replace;
mod sqlite;
mod stands_on;
mod swapped;
mod touched;
mod types;
mod unwatched;

use crate::application::Application;
use crate::place::Place;

/// A row of the table that the component `normalize` is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    pub name: String,
    pub email: Option<String>,
    pub debit: i64,
    pub credit: i64,
}

/// What the component makes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Normalized {
    pub given_name: Option<String>,
    pub family_name: String,
    pub email: Option<String>,
    pub balance: i64,
}

impl Customer {
    /// One of many, each different.
    pub fn numbered(number: i64) -> Self {
        Self {
            name: format!(" Given{number} van  Family{} ", number % 1_000),
            email: (number % 7 != 0).then(|| format!(" Mail{number}@Example.ORG")),
            debit: number % 100,
            credit: number % 77,
        }
    }

    /// The function, once more.
    pub fn normalized(&self) -> Normalized {
        let name = self.name.trim();
        let (given_name, family_name) = match name.rsplit_once(' ') {
            Some((given, family)) => (Some(given.trim_end().to_owned()), family),
            None => (None, name),
        };
        Normalized {
            given_name,
            family_name: family_name.to_owned(),
            email: self.email.as_ref().map(|email| email.trim().to_lowercase()),
            balance: self.credit - self.debit,
        }
    }

    pub fn values(&self) -> String {
        let email = match &self.email {
            None => "NULL".to_owned(),
            Some(email) => literal(email),
        };
        let (name, debit, credit) = (literal(&self.name), self.debit, self.credit);
        format!("{name}, {email}, {debit}, {credit}")
    }
}

/// The columns that every table of customers has besides its key.
pub const COLUMNS: &str =
    "name TEXT NOT NULL, email TEXT, debit BIGINT NOT NULL, credit BIGINT NOT NULL";

/// A text in SQL.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A place with a table of customers by number, and the component that normalizes them.
pub fn place_with(customers: &[Customer]) -> Place {
    let place = Place::new()
        .with_data(&format!(
            "CREATE TABLE customer (id BIGINT PRIMARY KEY NOT NULL, {COLUMNS})"
        ))
        .with_guest("0001_normalize.wasm", "normalize");
    insert(&mut place.connect(), 1, customers);
    place
}

/// So many customers.
pub fn customers(count: i64) -> Vec<Customer> {
    (1..=count).map(Customer::numbered).collect()
}

/// Inserts customers with the numbers from `first` on.
pub fn insert(application: &mut Application, first: i64, customers: &[Customer]) {
    for (position, customers) in (first..).step_by(500).zip(customers.chunks(500)) {
        let rows: Vec<String> = (position..)
            .zip(customers)
            .map(|(id, customer)| format!("({id}, {})", customer.values()))
            .collect();
        application.run(&format!(
            "INSERT INTO customer (id, name, email, debit, credit) VALUES {}",
            rows.join(", ")
        ));
    }
}

/// The customers after the finalize, in the order of `key`.
pub fn normalized(place: &Place, key: &str) -> Vec<Normalized> {
    let query =
        format!("SELECT given_name, family_name, email, balance FROM customer ORDER BY {key}");
    place
        .connect()
        .rows(&query)
        .into_iter()
        .map(|row| {
            let [given_name, family_name, email, balance] =
                <[Option<String>; 4]>::try_from(row).unwrap();
            Normalized {
                given_name,
                family_name: family_name.unwrap(),
                email,
                balance: balance.unwrap().parse().unwrap(),
            }
        })
        .collect()
}

/// What the function makes of all of them.
pub fn expected(customers: &[Customer]) -> Vec<Normalized> {
    customers.iter().map(Customer::normalized).collect()
}
