//! Steps of wasmigrate in Zig: the database, the report, rows in and out.
//!
//! ```zig
//! const wasmigrate = @import("wasmigrate");
//!
//! pub const summary = "greets everyone";
//! pub const panic = wasmigrate.panic;
//!
//! pub fn migrate(db: wasmigrate.Database, resume_at: ?[]const u8) !void {
//!     _ = resume_at;
//!     const greeted = try db.execute("UPDATE person SET greeting = $1 || name", .{"Hello, "});
//!     wasmigrate.info("greeted {d} people", .{greeted});
//! }
//!
//! comptime {
//!     wasmigrate.step(@This());
//! }
//! ```

const std = @import("std");

const contract = @import("contract.zig");
const memory = @import("memory.zig");

pub const allocator = memory.allocator;
pub const Database = @import("database.zig").Database;
pub const Savepoint = @import("database.zig").Savepoint;
pub const Kind = @import("database.zig").Kind;
pub const Rows = @import("rows.zig").Rows;
pub const Row = @import("rows.zig").Row;
pub const Bytes = @import("rows.zig").Bytes;
pub const Value = contract.Value;
pub const Writer = @import("writer.zig").Writer;
pub const Batch = @import("writer.zig").Batch;
pub const Error = @import("failure.zig").Error;
pub const Failure = @import("failure.zig").Failure;
pub const fail = @import("failure.zig").fail;
pub const context = @import("failure.zig").context;
pub const retryable = @import("failure.zig").retryable;
/// The words of an error, and the host's error behind it.
pub const failureOf = @import("failure.zig").of;
pub const step = @import("step.zig").step;
pub const transform = @import("step.zig").transform;
pub const Table = @import("step.zig").Table;
pub const Derived = @import("step.zig").Derived;

/// How much a line of output matters.
pub const Level = enum(u32) { debug, info, warning, err };

/// Writes a line of output.
pub fn output(level: Level, comptime format: []const u8, arguments: anytype) void {
    const text = memory.print(format, arguments);
    defer memory.allocator.free(text);
    contract.output(@intFromEnum(level), text.ptr, text.len);
}

/// What is shown on request only.
pub fn debug(comptime format: []const u8, arguments: anytype) void {
    output(.debug, format, arguments);
}

/// What the operator may want to know.
pub fn info(comptime format: []const u8, arguments: anytype) void {
    output(.info, format, arguments);
}

/// What the operator should look at.
pub fn warning(comptime format: []const u8, arguments: anytype) void {
    output(.warning, format, arguments);
}

/// How far the step is, in rows or whatever it counts; without a total, that of `count` is taken.
pub fn progress(done: u64, total: ?u64) void {
    contract.progress(done, @intFromBool(total != null), total orelse 0);
}

/// One of the operator's `[settings]`.
pub fn setting(name: []const u8) ?[]const u8 {
    var found: contract.OptionalText = undefined;
    contract.get(name.ptr, name.len, &found);
    return found.get();
}

/// For `pub const panic = wasmigrate.panic;` in a step: the message is in its output. A transformation has none.
pub const panic = std.debug.FullPanic(reportPanic);

fn reportPanic(message: []const u8, _: ?usize) noreturn {
    contract.output(@intFromEnum(Level.err), message.ptr, message.len);
    @trap();
}
