//! WHAT_IT_DOES
//!
//! `wasmigrate build` makes the step of it, and `wasmigrate test` proves it. What may be called: `../sdk/zig/README.md`.

const wasmigrate = @import("wasmigrate");

pub const summary = "WHAT_IT_DOES";
pub const panic = wasmigrate.panic;

/// What the running application tolerates: new tables and columns, copies of data.
pub fn migrate(db: wasmigrate.Database, position: ?[]const u8) !void {
    _ = position;
    const one = try db.value(i64, "SELECT $1 + 0", .{1});
    wasmigrate.info("nothing to do yet, {d} time", .{one});
}

/// The short cut-over: constraints, renames, drops.
pub fn finalize(_: wasmigrate.Database) !void {}
// RESET

/// What takes back `migrate`.
pub fn reset(_: wasmigrate.Database) !void {}
// END

comptime {
    wasmigrate.step(@This());
}
