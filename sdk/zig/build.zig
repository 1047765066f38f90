//! The package: `b.dependency("wasmigrate", .{}).module("wasmigrate")`. `wasmigrate build` needs none of this; editors do.

const std = @import("std");

pub fn build(b: *std.Build) void {
    _ = b.addModule("wasmigrate", .{ .root_source_file = b.path("wasmigrate.zig") });
}
