//! Rows in: the cells of a batch, and results that are read forward.

const std = @import("std");

const contract = @import("contract.zig");
const failure = @import("failure.zig");
const memory = @import("memory.zig");

/// Bytes, where text would be meant without this.
pub const Bytes = struct { bytes: []const u8 };

/// A parameter of a statement or a cell: an integer, a float, a bool, a text, `Bytes`, `null`, or an optional of them.
pub fn value(from: anytype) contract.Value {
    const T = @TypeOf(from);
    if (T == contract.Value) return from;
    if (T == Bytes) return .{ .kind = .bytes, .as = .{ .text = .of(from.bytes) } };
    return switch (@typeInfo(T)) {
        .null => .{ .kind = .null, .as = .{ .integer = 0 } },
        .optional => if (from) |it| value(it) else value(null),
        .bool => .{ .kind = .boolean, .as = .{ .boolean = @intFromBool(from) } },
        .int, .comptime_int => .{ .kind = .integer, .as = .{ .integer = @intCast(from) } },
        .float, .comptime_float => .{ .kind = .float, .as = .{ .float = from } },
        .pointer => .{ .kind = .text, .as = .{ .text = .of(from) } },
        else => @compileError(@typeName(T) ++ " is nothing that a database takes"),
    };
}

/// Some of them: `.{ id, name, null }`.
pub fn values(from: anytype) [from.len]contract.Value {
    var all: [from.len]contract.Value = undefined;
    inline for (from, 0..) |it, place| all[place] = value(it);
    return all;
}

/// One row. What it gives of texts and bytes stands until the next one.
pub const Row = struct {
    batch: *const contract.Batch,
    number: u32,

    /// The cell of a column, from 0: `i64`, `f64`, `bool`, `[]const u8` for text, `Bytes`, or `?` of them where it may be NULL.
    pub fn get(self: Row, comptime T: type, column: usize) failure.Error!T {
        const cell = try self.cellOf(column);
        if (@typeInfo(T) == .optional) {
            return if (cell.kind == .null) null else try typed(@typeInfo(T).optional.child, cell, column);
        }
        return typed(T, cell, column);
    }

    fn cellOf(self: Row, place: usize) failure.Error!contract.Value {
        const columns = self.batch.columns.slice();
        if (place >= columns.len) {
            return failure.fail("there is no column {d} in a row of {d}", .{ place, columns.len });
        }
        const column = &columns[place];
        const row = self.number;
        const validity = column.validity.slice();
        if (validity.len > 0 and validity[row] == 0) return value(null);
        return switch (column.kind) {
            .booleans => .{ .kind = .boolean, .as = .{ .boolean = column.cells.booleans.slice()[row] } },
            .integers => value(column.cells.integers.slice()[row]),
            .floats => value(column.cells.floats.slice()[row]),
            .texts => value(long(column.cells.long, row)),
            .bytes => value(Bytes{ .bytes = long(column.cells.long, row) }),
            .mixed => column.cells.mixed.slice()[row],
        };
    }
};

fn long(cells: contract.LongCells, row: u32) []const u8 {
    const ends = cells.ends.slice();
    const start = if (row == 0) 0 else ends[row - 1];
    return cells.data.slice()[start..ends[row]];
}

fn typed(comptime T: type, cell: contract.Value, column: usize) failure.Error!T {
    switch (T) {
        i64 => if (cell.kind == .integer) return cell.as.integer,
        f64 => if (cell.kind == .float) return cell.as.float,
        // SQLite has no such type: 1 and 0 are it.
        bool => {
            if (cell.kind == .boolean) return cell.as.boolean != 0;
            if (cell.kind == .integer and (cell.as.integer == 0 or cell.as.integer == 1)) return cell.as.integer == 1;
        },
        []const u8 => switch (cell.kind) {
            .text => return cell.as.text.slice(),
            // Decimals, timestamps, UUIDs, JSON
            .other => return cell.as.other.text.slice(),
            else => {},
        },
        Bytes => if (cell.kind == .bytes) return .{ .bytes = cell.as.text.slice() },
        else => @compileError("a cell is i64, f64, bool, []const u8 or Bytes, not " ++ @typeName(T)),
    }
    return failure.fail("column {d} holds {s}, not {s}", .{ column, @tagName(cell.kind), @typeName(T) });
}

/// How many rows are asked for at once; the host gives fewer where they are long.
const rows_at_once = 4096;

/// A result of any size, read forward. `close` it.
pub const Rows = struct {
    cursor: u32,
    arena: *std.heap.ArenaAllocator,
    batch: *contract.Batch,
    number: u32 = 0,

    pub fn of(cursor: u32) Rows {
        const arena = memory.allocator.create(std.heap.ArenaAllocator) catch @trap();
        arena.* = .init(memory.allocator);
        const batch = memory.allocator.create(contract.Batch) catch @trap();
        batch.* = .{ .rows = 0, .columns = .of(&.{}) };
        return .{ .cursor = cursor, .arena = arena, .batch = batch };
    }

    /// The next row; none at the end.
    pub fn next(self: *Rows) failure.Error!?Row {
        self.number += 1;
        if (self.number >= self.batch.rows) {
            _ = self.arena.reset(.retain_capacity);
            self.batch.rows = 0;
            self.number = 0;
            var answer: contract.Answer = undefined;
            memory.receiver = self.arena;
            contract.@"[method]cursor.next"(self.cursor, rows_at_once, &answer);
            memory.receiver = &memory.kept;
            if (answer.is_error != 0) {
                // Its words are in the memory of these rows, and are needed longer.
                self.arena.* = .init(memory.allocator);
                return failure.ofHost(answer.as.failure);
            }
            self.batch.* = answer.as.batch;
            if (self.batch.rows == 0) return null;
        }
        return .{ .batch = self.batch, .number = self.number };
    }

    /// Ends it. What its rows gave is gone.
    pub fn close(self: *Rows) void {
        contract.@"[resource-drop]cursor"(self.cursor);
        self.arena.deinit();
        memory.allocator.destroy(self.arena);
        memory.allocator.destroy(self.batch);
    }
};
