//! WHAT_IT_DOES
//!
//! An example: the family names of the table `customer`. Write your own table and columns instead. `wasmigrate build` makes the
//! step of it, and `wasmigrate test` proves it. What may be called: `../sdk/zig/README.md`.

const std = @import("std");
const wasmigrate = @import("wasmigrate");

pub const table: wasmigrate.Table = .{
    .summary = "WHAT_IT_DOES",
    .name = "customer",
    .inputs = &.{"name"},
    .derives = &.{.{ .name = "family_name", .type_name = "TEXT", .not_null = true }},
};

/// One row: the same inputs must give the same outputs.
pub fn row(it: wasmigrate.Row, derived: *wasmigrate.Batch) !void {
    const name = std.mem.trim(u8, try it.get([]const u8, 0), " ");
    const start = if (std.mem.lastIndexOfScalar(u8, name, ' ')) |space| space + 1 else 0;
    try derived.push(.{name[start..]});
}

comptime {
    wasmigrate.transform(@This());
}
