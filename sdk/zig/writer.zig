//! Rows out: cells by columns, sent in batches.

const std = @import("std");

const contract = @import("contract.zig");
const failure = @import("failure.zig");
const memory = @import("memory.zig");
const rows = @import("rows.zig");

/// Rows that wait before they are sent, and the bytes that they may take.
const most_rows = 10_000;
const most_bytes = 1 << 20;

/// Writers that were not finished.
pub var waiting: usize = 0;

const Column = struct {
    /// What its cells are; `null` as long as there is nothing else in it.
    kind: contract.ValueKind = .null,
    has_null: bool = false,
    validity: std.ArrayList(u8) = .empty,
    booleans: std.ArrayList(u8) = .empty,
    integers: std.ArrayList(i64) = .empty,
    floats: std.ArrayList(f64) = .empty,
    ends: std.ArrayList(u32) = .empty,
    data: std.ArrayList(u8) = .empty,

    fn push(self: *Column, cell: contract.Value) !void {
        const gpa = memory.allocator;
        if (self.kind == .null and cell.kind != .null) {
            self.kind = cell.kind;
            const before = self.validity.items.len;
            switch (cell.kind) {
                .boolean => try self.booleans.appendNTimes(gpa, 0, before),
                .integer => try self.integers.appendNTimes(gpa, 0, before),
                .float => try self.floats.appendNTimes(gpa, 0, before),
                else => try self.ends.appendNTimes(gpa, 0, before),
            }
        }
        const is_null = cell.kind == .null;
        self.has_null = self.has_null or is_null;
        try self.validity.append(gpa, @intFromBool(!is_null));
        switch (self.kind) {
            .null => {},
            .boolean => try self.booleans.append(gpa, if (is_null) 0 else cell.as.boolean),
            .integer => try self.integers.append(gpa, if (is_null) 0 else cell.as.integer),
            .float => try self.floats.append(gpa, if (is_null) 0 else cell.as.float),
            else => {
                if (!is_null) try self.data.appendSlice(gpa, cell.as.text.slice());
                try self.ends.append(gpa, @intCast(self.data.items.len));
            },
        }
    }

    fn whole(self: *Column) !contract.Column {
        // Nothing but NULL: any type will do.
        if (self.kind == .null) try self.integers.appendNTimes(memory.allocator, 0, self.validity.items.len);
        const long: contract.LongCells = .{ .ends = .of(self.ends.items), .data = .of(self.data.items) };
        return .{
            .validity = .of(if (self.has_null) self.validity.items else &.{}),
            .kind = switch (self.kind) {
                .boolean => .booleans,
                .float => .floats,
                .text => .texts,
                .bytes => .bytes,
                else => .integers,
            },
            .cells = switch (self.kind) {
                .boolean => .{ .booleans = .of(self.booleans.items) },
                .float => .{ .floats = .of(self.floats.items) },
                .text, .bytes => .{ .long = long },
                else => .{ .integers = .of(self.integers.items) },
            },
        };
    }

    fn empty(self: *Column) void {
        self.kind = .null;
        self.has_null = false;
        self.validity.clearRetainingCapacity();
        self.booleans.clearRetainingCapacity();
        self.integers.clearRetainingCapacity();
        self.floats.clearRetainingCapacity();
        self.ends.clearRetainingCapacity();
        self.data.clearRetainingCapacity();
    }
};

/// A value in one of the forms that a column has.
fn plain(cell: contract.Value) contract.Value {
    return if (cell.kind == .other) rows.value(cell.as.other.text.slice()) else cell;
}

/// Rows in the making.
pub const Batch = struct {
    columns: []Column,
    whole: []contract.Column,
    rows: u32 = 0,
    bytes: usize = 0,

    pub fn of(width: usize) Batch {
        const columns = memory.allocator.alloc(Column, width) catch @trap();
        for (columns) |*column| column.* = .{};
        return .{ .columns = columns, .whole = memory.allocator.alloc(contract.Column, width) catch @trap() };
    }

    /// Adds a row: `push(.{ 1, "Ada", null })`. All cells of a column that are not NULL have one type.
    pub fn push(self: *Batch, row: anytype) failure.Error!void {
        const cells = rows.values(row);
        if (cells.len != self.columns.len) {
            return failure.fail("a row of {d} cells does not fit {d} columns", .{ cells.len, self.columns.len });
        }
        // Of a row that does not fit nothing is kept: the step may go on without it.
        for (self.columns, cells, 0..) |column, cell, place| {
            const kind = plain(cell).kind;
            if (kind != .null and column.kind != .null and kind != column.kind) {
                return failure.fail("column {d} has values of two types", .{place});
            }
        }
        for (self.columns, cells) |*column, cell| {
            const kept = plain(cell);
            column.push(kept) catch @trap();
            self.bytes += 8;
            if (kept.kind == .text or kept.kind == .bytes) self.bytes += kept.as.text.length;
        }
        self.rows += 1;
    }

    /// The rows as the host takes them.
    pub fn build(self: *Batch) []const contract.Column {
        for (self.columns, self.whole) |*column, *to| to.* = column.whole() catch @trap();
        return self.whole;
    }

    /// Forgets all rows.
    pub fn empty(self: *Batch) void {
        for (self.columns) |*column| column.empty();
        self.rows = 0;
        self.bytes = 0;
    }
};

/// Where rows go.
const Target = union(enum) {
    table: struct { name: []const u8, columns: []const contract.Text },
    statement: []const u8,
};

/// Takes rows, and sends them in batches. A step that does not `finish` it fails.
pub const Writer = struct {
    batch: Batch,
    target: Target,
    changed: u64 = 0,

    pub fn of(target: Target, width: usize) Writer {
        waiting += 1;
        return .{ .batch = .of(width), .target = target };
    }

    /// Adds a row: `push(.{ 1, "Ada", null })`. What it points to may change afterwards.
    pub fn push(self: *Writer, row: anytype) failure.Error!void {
        try self.batch.push(row);
        if (self.batch.rows >= most_rows or self.batch.bytes >= most_bytes) try self.send();
    }

    /// Sends the rows that wait; returns how many rows were changed in all.
    pub fn finish(self: *Writer) failure.Error!u64 {
        try self.send();
        waiting -= 1;
        return self.changed;
    }

    fn send(self: *Writer) failure.Error!void {
        if (self.batch.rows == 0) return;
        const columns = self.batch.build();
        var answer: contract.Answer = undefined;
        switch (self.target) {
            .table => |table| contract.load(
                table.name.ptr,
                table.name.len,
                table.columns.ptr,
                table.columns.len,
                self.batch.rows,
                columns.ptr,
                columns.len,
                &answer,
            ),
            .statement => |statement| contract.@"execute-many"(
                statement.ptr,
                statement.len,
                self.batch.rows,
                columns.ptr,
                columns.len,
                &answer,
            ),
        }
        if (answer.is_error != 0) {
            const failed = failure.ofHost(answer.as.failure);
            return switch (self.target) {
                .table => |table| failure.context(failed, "could not load rows into the table \"{s}\"", .{table.name}),
                .statement => failed,
            };
        }
        self.changed += answer.as.count;
        self.batch.empty();
    }
};
