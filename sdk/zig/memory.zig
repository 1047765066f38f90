//! Memory of the component, and what the host puts into it.

const std = @import("std");

/// For whatever a step needs; all of it goes with the component.
pub const allocator = std.heap.wasm_allocator;

/// What nobody has claimed.
pub var kept: std.heap.ArenaAllocator = .init(allocator);

/// Who takes what the host hands over next.
pub var receiver: *std.heap.ArenaAllocator = &kept;

fn receive(old: usize, old_size: usize, alignment: usize, size: usize) callconv(.c) usize {
    const received = receiver.allocator().rawAlloc(@max(size, 1), .fromByteUnits(@max(alignment, 8)), 0) orelse @trap();
    if (old_size > 0) {
        @memcpy(received[0..old_size], @as([*]const u8, @ptrFromInt(old)));
    }
    return @intFromPtr(received);
}

comptime {
    @export(&receive, .{ .name = "cabi_realloc" });
}

/// A text that is not to fail: where there is no memory, there is no step.
pub fn print(comptime format: []const u8, arguments: anytype) []u8 {
    return std.fmt.allocPrint(allocator, format, arguments) catch @trap();
}
