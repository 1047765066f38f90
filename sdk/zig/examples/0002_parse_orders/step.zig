//! Parses order lines such as `Ada  Lovelace|2 x tea|1.200,50 EUR` into purchases, and says why it cannot.

const std = @import("std");
const wasmigrate = @import("wasmigrate");

pub const summary = "parses order lines into purchases";
pub const panic = wasmigrate.panic;

pub fn count(db: wasmigrate.Database) !u64 {
    return @intCast(try db.value(i64, "SELECT count(*) FROM order_line", .{}));
}

pub fn migrate(db: wasmigrate.Database, position: ?[]const u8) !void {
    if (position == null) {
        try parseAll(db);
        try db.checkpoint("parsed");
    }
    const customers = try db.execute(
        "INSERT INTO customer_total (customer, cents) SELECT customer, sum(cents) FROM purchase GROUP BY customer",
        .{},
    );
    wasmigrate.info("{d} customers", .{customers});
}

pub fn finalize(db: wasmigrate.Database) !void {
    _ = try db.execute("DROP TABLE order_line", .{});
}

pub fn reset(db: wasmigrate.Database) !void {
    inline for (.{ "customer_total", "bad_line", "purchase" }) |table| {
        _ = try db.execute("DROP TABLE IF EXISTS " ++ table, .{});
    }
}

fn parseAll(db: wasmigrate.Database) !void {
    _ = try db.execute("CREATE TABLE purchase (id BIGINT PRIMARY KEY, customer TEXT NOT NULL, item TEXT NOT NULL, " ++
        "quantity BIGINT NOT NULL, cents BIGINT NOT NULL)", .{});
    _ = try db.execute("CREATE TABLE bad_line (id BIGINT PRIMARY KEY, reason TEXT NOT NULL)", .{});
    _ = try db.execute("CREATE TABLE customer_total (customer TEXT PRIMARY KEY, cents BIGINT NOT NULL)", .{});
    var purchases = db.load("purchase", &.{ "id", "customer", "item", "quantity", "cents" });
    var bad_lines = db.executeMany("INSERT INTO bad_line (id, reason) VALUES ($1, $2)", 2);
    var lines = try db.query("SELECT id, line FROM order_line ORDER BY id", .{});
    defer lines.close();
    var done: u64 = 0;
    while (try lines.next()) |line| {
        const id = try line.get(i64, 0);
        var customer: [1024]u8 = undefined;
        if (parse(try line.get([]const u8, 1), &customer)) |it| {
            try purchases.push(.{ id, it.customer, it.item, it.quantity, it.cents });
        } else |reason| {
            try bad_lines.push(.{ id, words(reason) });
        }
        done += 1;
        if (done % 1000 == 0) wasmigrate.progress(done, null);
    }
    wasmigrate.info("{d} purchases, {d} bad lines", .{ try purchases.finish(), try bad_lines.finish() });
}

const Purchase = struct { customer: []const u8, item: []const u8, quantity: i64, cents: i64 };

const Bad = error{ NotThreeParts, NoQuantity, NoCurrency, NoPrice, SomethingIsEmpty };

fn words(reason: Bad) []const u8 {
    return switch (reason) {
        error.NotThreeParts => "not three parts",
        error.NoQuantity => "no quantity",
        error.NoCurrency => "no currency",
        error.NoPrice => "no price",
        error.SomethingIsEmpty => "something is empty",
    };
}

fn parse(line: []const u8, customer: *[1024]u8) Bad!Purchase {
    var parts = std.mem.splitScalar(u8, line, '|');
    const who = parts.next() orelse return error.NotThreeParts;
    const what = trimmed(parts.next() orelse return error.NotThreeParts);
    var price = trimmed(parts.next() orelse return error.NotThreeParts);
    if (parts.next() != null) return error.NotThreeParts;

    var digits: usize = 0;
    while (digits < what.len and std.ascii.isDigit(what[digits])) digits += 1;
    const rest = std.mem.trimStart(u8, what[digits..], &std.ascii.whitespace);
    if (digits == 0 or rest.len == 0 or rest[0] != 'x') return error.NoQuantity;
    const quantity = std.fmt.parseInt(i64, what[0..digits], 10) catch return error.NoQuantity;
    const item = trimmed(rest[1..]);

    if (!std.mem.endsWith(u8, price, "EUR")) return error.NoCurrency;
    price = trimmed(price[0 .. price.len - 3]);
    const cents = try centsOf(price);

    var length: usize = 0;
    var names = std.mem.tokenizeAny(u8, who, &std.ascii.whitespace);
    while (names.next()) |name| {
        if (length + name.len + 1 > customer.len) break;
        if (length > 0) {
            customer[length] = ' ';
            length += 1;
        }
        @memcpy(customer[length..][0..name.len], name);
        length += name.len;
    }
    if (length == 0 or item.len == 0 or quantity <= 0) return error.SomethingIsEmpty;
    return .{ .customer = customer[0..length], .item = item, .quantity = quantity, .cents = cents };
}

/// Digits, with points between them, and two more after a comma.
fn centsOf(price: []const u8) Bad!i64 {
    const comma = std.mem.indexOfScalar(u8, price, ',');
    const whole = price[0 .. comma orelse price.len];
    const fraction = if (comma) |at| price[at + 1 ..] else "00";
    if (whole.len == 0 or !std.ascii.isDigit(whole[0]) or fraction.len != 2) return error.NoPrice;
    var cents: i64 = 0;
    for ([_][]const u8{ whole, fraction }, 0..) |part, place| {
        for (part) |letter| {
            if (std.ascii.isDigit(letter)) {
                cents = cents * 10 + (letter - '0');
            } else if (letter != '.' or place == 1) return error.NoPrice;
        }
    }
    return cents;
}

fn trimmed(text: []const u8) []const u8 {
    return std.mem.trim(u8, text, &std.ascii.whitespace);
}

comptime {
    wasmigrate.step(@This());
}
