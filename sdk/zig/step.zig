//! What a component exports: the functions of a step or a transformation, under the names of the contract.

const std = @import("std");

const contract = @import("contract.zig");
const database = @import("database.zig");
const failure = @import("failure.zig");
const memory = @import("memory.zig");
const rows = @import("rows.zig");
const writer = @import("writer.zig");

var outcome: contract.Outcome = undefined;

fn ended(result: anyerror!void) *contract.Outcome {
    outcome = std.mem.zeroes(contract.Outcome);
    const end: anyerror!void = result catch |failed| failed;
    if (end) |_| {
        if (writer.waiting == 0) return &outcome;
        _ = failure.fail("rows wait in a writer that was not finished", .{}) catch {};
    } else |failed| failure.last = failure.of(failed);
    const why = failure.last.?;
    outcome.is_error = 1;
    outcome.as.failure.message = .of(why.message);
    outcome.as.failure.retryable = @intFromBool(why.retryable);
    outcome.as.failure.has_cause = @intFromBool(why.cause != null);
    if (why.cause) |cause| outcome.as.failure.cause = cause;
    return &outcome;
}

fn begin() database.Database {
    writer.waiting = 0;
    failure.last = null;
    return .{};
}

/// Makes a step of a file: `comptime { wasmigrate.step(@This()); }`.
pub fn step(comptime S: type) void {
    const Exports = struct {
        var description: contract.Description = undefined;

        fn describe() callconv(.c) *contract.Description {
            description = .{
                .summary = .of(if (@hasDecl(S, "summary")) S.summary else ""),
                .transactional = @intFromBool(if (@hasDecl(S, "transactional")) S.transactional else true),
            };
            return &description;
        }

        fn hasFinalize() callconv(.c) bool {
            return @hasDecl(S, "finalize");
        }

        fn hasReset() callconv(.c) bool {
            return @hasDecl(S, "reset");
        }

        fn check() callconv(.c) *contract.Outcome {
            const db = begin();
            return ended(if (@hasDecl(S, "check")) S.check(db) else {});
        }

        fn count() callconv(.c) *contract.Outcome {
            const db = begin();
            if (!@hasDecl(S, "count")) return ended({});
            const counted: anyerror!u64 = S.count(db);
            const found = counted catch |failed| return ended(failed);
            _ = ended({});
            outcome.as.rows = .{ .is_some = 1, .count = found };
            return &outcome;
        }

        fn migrate(resumes: u32, position: usize, length: usize) callconv(.c) *contract.Outcome {
            const db = begin();
            const given: contract.Text = .{ .address = position, .length = length };
            return ended(S.migrate(db, if (resumes != 0) given.slice() else null));
        }

        fn finalize() callconv(.c) *contract.Outcome {
            const db = begin();
            return ended(if (@hasDecl(S, "finalize")) S.finalize(db) else {});
        }

        fn reset() callconv(.c) *contract.Outcome {
            const db = begin();
            return ended(if (@hasDecl(S, "reset")) S.reset(db) else failure.fail("has no reset", .{}));
        }
    };
    @export(&Exports.describe, .{ .name = "describe" });
    @export(&Exports.hasFinalize, .{ .name = "has-finalize" });
    @export(&Exports.hasReset, .{ .name = "has-reset" });
    @export(&Exports.check, .{ .name = "check" });
    @export(&Exports.count, .{ .name = "count" });
    @export(&Exports.migrate, .{ .name = "migrate" });
    @export(&Exports.finalize, .{ .name = "finalize" });
    @export(&Exports.reset, .{ .name = "reset" });
}

/// A column that a transformation derives.
pub const Derived = struct {
    name: []const u8,
    type_name: []const u8,
    not_null: bool = false,
    /// The old column whose name it takes at finalize.
    replaces: ?[]const u8 = null,
};

/// The table of a transformation, and what becomes of its columns.
pub const Table = struct {
    summary: []const u8 = "",
    name: []const u8,
    /// The columns that name a row; none for the primary key.
    key: []const []const u8 = &.{},
    inputs: []const []const u8,
    derives: []const Derived,
    drops: []const []const u8 = &.{},
    /// A condition in SQL for the rows that are concerned.
    only_where: ?[]const u8 = null,
};

fn texts(comptime names: []const []const u8) []const contract.Text {
    const all = memory.allocator.alloc(contract.Text, names.len) catch @trap();
    for (all, names) |*text, name| text.* = .of(name);
    return all;
}

/// Makes a transformation of a file with a `table` and a function `row`: `comptime { wasmigrate.transform(@This()); }`.
pub fn transform(comptime T: type) void {
    const table: Table = T.table;
    const Exports = struct {
        var description: contract.Transformation = undefined;
        var given: std.heap.ArenaAllocator = .init(memory.allocator);
        var derived: ?writer.Batch = null;
        var rejected: std.ArrayList(contract.RejectedRow) = .empty;
        var answer: contract.Transformed = undefined;

        fn describe() callconv(.c) *contract.Transformation {
            const columns = memory.allocator.alloc(contract.DerivedColumn, table.derives.len) catch @trap();
            for (columns, table.derives) |*column, from| {
                column.* = .{
                    .name = .of(from.name),
                    .type_name = .of(from.type_name),
                    .nullable = @intFromBool(!from.not_null),
                    .replaces = .of(from.replaces),
                };
            }
            description = .{
                .summary = .of(table.summary),
                .table = .of(table.name),
                .key = .of(texts(table.key)),
                .inputs = .of(texts(table.inputs)),
                .derived = .of(columns),
                .dropped = .of(texts(table.drops)),
                .filter = .of(table.only_where),
            };
            return &description;
        }

        fn transformed(count: u32, columns: usize, width: usize) callconv(.c) *contract.Transformed {
            // What was handed over before is done with, and what is kept now is this batch.
            given.deinit();
            given = memory.kept;
            memory.kept = .init(memory.allocator);
            const batch: contract.Batch = .{ .rows = count, .columns = .{ .address = columns, .length = width } };
            if (derived == null) derived = .of(table.derives.len);
            const to = &derived.?;
            to.empty();
            rejected.clearRetainingCapacity();
            for (0..count) |number| {
                const before = to.rows;
                const row: rows.Row = .{ .batch = &batch, .number = @intCast(number) };
                const computed: anyerror!void = T.row(row, to);
                const one: anyerror!void = if (computed) |_|
                    (if (to.rows == before + 1) {} else failure.fail("{d} rows were derived from one", .{to.rows - before}))
                else |failed|
                    failed;
                one catch |failed| rejected.append(memory.allocator, .{
                    .row = @intCast(number),
                    .message = .of(failure.of(failed).message),
                }) catch @trap();
            }
            answer.is_error = @intFromBool(rejected.items.len > 0);
            if (answer.is_error != 0) {
                answer.as = .{ .rejected = .of(rejected.items) };
            } else {
                answer.as = .{ .batch = .{ .rows = count, .columns = .of(to.build()) } };
            }
            return &answer;
        }
    };
    @export(&Exports.describe, .{ .name = "describe" });
    @export(&Exports.transformed, .{ .name = "transform" });
}
