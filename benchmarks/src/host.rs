//! The host with the function of the guest `normalize` built in: all that it does, but for the sandbox.

use std::process::ExitCode;

use clap::Parser as _;
use wasmigrate::{Batch, Cell, ColumnBuilder, Rejected, Transformed};

fn main() -> ExitCode {
    let arguments = wasmigrate::cli::Arguments::parse();
    wasmigrate::cli::run(&arguments.with_native_function(normalize))
}

fn normalize(rows: &Batch) -> Transformed {
    let mut derived: [ColumnBuilder; 4] = Default::default();
    for row in 0..rows.row_count {
        let mut inputs = rows.columns.iter().map(|column| column.cell(row));
        let (
            Some(Cell::Text(name)),
            Some(email),
            Some(Cell::Integer(debit)),
            Some(Cell::Integer(credit)),
        ) = (inputs.next(), inputs.next(), inputs.next(), inputs.next())
        else {
            let message = "the columns have other types".to_owned();
            return Err(vec![Rejected { row, message }]);
        };
        let name = name.trim();
        let (given, family) = match name.rsplit_once(' ') {
            Some((given, family)) => (Cell::Text(given.trim_end()), family),
            None => (Cell::Null, name),
        };
        let address = match email {
            Cell::Text(email) => Some(email.trim().to_lowercase()),
            _ => None,
        };
        let address = address.as_deref().map_or(Cell::Null, Cell::Text);
        let cells = [
            given,
            Cell::Text(family),
            address,
            Cell::Integer(credit - debit),
        ];
        for (column, cell) in derived.iter_mut().zip(cells) {
            column.push(cell);
        }
    }
    Ok(Batch {
        row_count: rows.row_count,
        columns: derived.into_iter().map(ColumnBuilder::finish).collect(),
    })
}
