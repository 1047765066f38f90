//! Loads rows that it makes up: what a step does that imports data, without the reading.
//!
//! Fills `target(id, a, b, c, d)` with as many rows as the setting `load.rows` says, or a million.

use std::fmt::Write as _;

use wasmigrate_sdk::{prelude::*, settings};

struct Load;

impl Step for Load {
    const SUMMARY: &'static str = "loads rows that it makes up";

    fn migrate(database: &mut Database, _: Resume) -> Result<()> {
        let rows = settings::parse("load.rows")?.unwrap_or(1_000_000_i64);
        let mut target = database.loader("target", &["id", "a", "b", "c", "d"]);
        let (mut name, mut remark) = (String::new(), String::new());
        for id in 1..=rows {
            name.clear();
            remark.clear();
            write!(name, "  some name {id} ").context("a name")?;
            write!(remark, "a remark on {id}").context("a remark")?;
            #[allow(clippy::cast_precision_loss, reason = "there are not so many rows")]
            let third = id as f64 / 3.0;
            let remark = (id % 3 != 0).then_some(remark.as_str());
            target.push(params![id, id * 7 % 1000, name.as_str(), third, remark])?;
        }
        target.finish()?;
        Ok(())
    }
}
export!(Load);
