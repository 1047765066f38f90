//! The transaction that the host has opened for the step.

const contract = @import("contract.zig");
const failure = @import("failure.zig");
const memory = @import("memory.zig");
const rows = @import("rows.zig");
const writer = @import("writer.zig");

/// Which database it is.
pub const Kind = enum { sqlite, postgres, other };

/// The transaction of the step. It cannot be left.
pub const Database = struct {
    /// Which database it is.
    pub fn kind(_: Database) Kind {
        var product: contract.Product = undefined;
        contract.server(&product);
        return switch (product.kind) {
            0 => .sqlite,
            1 => .postgres,
            else => .other,
        };
    }

    /// Runs one statement, whose parameters are `$1`, `$2` …; returns how many rows it changed.
    pub fn execute(_: Database, statement: []const u8, parameters: anytype) failure.Error!u64 {
        const given = rows.values(parameters);
        var answer: contract.Answer = undefined;
        contract.execute(statement.ptr, statement.len, &given, given.len, &answer);
        if (answer.is_error != 0) return failure.ofHost(answer.as.failure);
        return answer.as.count;
    }

    /// Runs a query of any size, to be read row by row.
    pub fn query(_: Database, statement: []const u8, parameters: anytype) failure.Error!rows.Rows {
        const given = rows.values(parameters);
        var answer: contract.Answer = undefined;
        contract.query(statement.ptr, statement.len, &given, given.len, &answer);
        if (answer.is_error != 0) return failure.ofHost(answer.as.failure);
        return .of(answer.as.handle);
    }

    /// The only value of the only row of a result; a text of it is copied.
    pub fn value(self: Database, comptime T: type, statement: []const u8, parameters: anytype) failure.Error!T {
        var found = try self.query(statement, parameters);
        defer found.close();
        const row = try found.next() orelse return failure.fail("no row came of: {s}", .{statement});
        const cell = try row.get(T, 0);
        const kept = if (T == []const u8) memory.print("{s}", .{cell}) else cell;
        if (try found.next() != null) return failure.fail("more than one row came of: {s}", .{statement});
        return kept;
    }

    /// Inserts rows into a table, the fast way: `load("person", &.{ "id", "name" })`.
    pub fn load(_: Database, table: []const u8, columns: []const []const u8) writer.Writer {
        const names = memory.allocator.alloc(contract.Text, columns.len) catch @trap();
        for (names, columns) |*name, column| name.* = .of(column);
        return .of(.{ .table = .{ .name = table, .columns = names } }, columns.len);
    }

    /// Runs a statement once for each row of so many parameters.
    pub fn executeMany(_: Database, statement: []const u8, parameters: usize) writer.Writer {
        return .of(.{ .statement = statement }, parameters);
    }

    /// A point to which the transaction can be rolled back.
    pub fn savepoint(_: Database) failure.Error!Savepoint {
        var answer: contract.Answer = undefined;
        contract.@"[static]savepoint.open"(&answer);
        if (answer.is_error != 0) return failure.ofHost(answer.as.failure);
        return .{ .handle = answer.as.handle };
    }

    /// Commits what was done so far. After a crash `migrate` is called with this position (at most 64 KiB). Closes all results.
    pub fn checkpoint(_: Database, position: []const u8) failure.Error!void {
        if (writer.waiting > 0) return failure.fail("rows wait in a writer that was not finished", .{});
        var answer: contract.Answer = undefined;
        contract.checkpoint(position.ptr, position.len, &answer);
        if (answer.is_error != 0) return failure.ofHost(answer.as.failure);
    }
};

/// A point to which the transaction can be rolled back: one of its functions must be called, once.
pub const Savepoint = struct {
    handle: u32,

    /// Keeps what was done since.
    pub fn release(self: Savepoint) failure.Error!void {
        var answer: contract.Answer = undefined;
        contract.@"[static]savepoint.release"(self.handle, &answer);
        if (answer.is_error != 0) return failure.ofHost(answer.as.failure);
    }

    /// Undoes what was done since, also after an error of the database.
    pub fn rollBack(self: Savepoint) void {
        contract.@"[resource-drop]savepoint"(self.handle);
    }
};
