//! What goes with a column that is dropped. Whatever is more than the column's own keeps SQLite from dropping it:
//! <https://www.sqlite.org/lang_altertable.html#alter_table_drop_column>

use crate::database::sqlite::pragmas;
use crate::database::transform::{TransformedTable, integer_of, text_of};
use crate::database::{Result, Session};

pub(super) async fn read(
    session: &mut dyn Session,
    table: &TransformedTable,
) -> Result<Vec<String>> {
    let mut all = Vec::new();
    // The place, the name, the type, whether it is not null, the default.
    for row in pragmas::ask(session, "table_xinfo", &table.plain_name).await? {
        let name = text_of(row.get(1));
        let mut going = table.going();
        let Some((_, Some(by))) = going.find(|(column, _)| column.eq_ignore_ascii_case(&name))
        else {
            continue;
        };
        if integer_of(row.get(3)) == 1 && by.nullable {
            all.push("NOT NULL".to_owned());
        }
        let default = text_of(row.get(4));
        if !default.is_empty() {
            all.push(format!("the default {default}"));
        }
    }
    Ok(all)
}
