//! Splits names and normalises phone numbers.

const std = @import("std");
const wasmigrate = @import("wasmigrate");

pub const table: wasmigrate.Table = .{
    .summary = "splits names and normalises phone numbers",
    .name = "person",
    .inputs = &.{ "name", "phone" },
    .derives = &.{
        .{ .name = "given_name", .type_name = "TEXT" },
        .{ .name = "family_name", .type_name = "TEXT", .not_null = true },
        .{ .name = "e164", .type_name = "TEXT", .replaces = "phone" },
    },
    .drops = &.{"name"},
};

pub fn row(it: wasmigrate.Row, derived: *wasmigrate.Batch) !void {
    const name = std.mem.trim(u8, try it.get([]const u8, 0), " ");
    const space = std.mem.lastIndexOfScalar(u8, name, ' ');
    const given: ?[]const u8 = if (space) |at| std.mem.trimEnd(u8, name[0..at], " ") else null;
    const family = if (space) |at| name[at + 1 ..] else name;
    var number: [17]u8 = undefined;
    const phone = try it.get(?[]const u8, 1);
    try derived.push(.{ given, family, if (phone) |text| normalised(std.mem.trim(u8, text, " "), &number) else null });
}

/// The number as E.164 has it.
fn normalised(phone: []const u8, number: *[17]u8) ?[]const u8 {
    var room: [64]u8 = undefined;
    var count: usize = 0;
    for (phone) |letter| {
        if (!std.ascii.isDigit(letter)) continue;
        if (count == room.len) return null;
        room[count] = letter;
        count += 1;
    }
    const digits = room[0..count];
    const country, const rest = if (std.mem.startsWith(u8, phone, "+"))
        .{ "", digits }
    else if (std.mem.startsWith(u8, digits, "00"))
        .{ "", digits[2..] }
    else if (std.mem.startsWith(u8, digits, "0"))
        .{ "49", digits[1..] }
    else
        return null;
    const length = country.len + rest.len;
    if (length < 7 or length > 15) return null;
    return std.fmt.bufPrint(number, "+{s}{s}", .{ country, rest }) catch null;
}

comptime {
    wasmigrate.transform(@This());
}
