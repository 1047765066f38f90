//! Why a step gives up, and what the host said before.

const contract = @import("contract.zig");
const memory = @import("memory.zig");

/// What fails here; its words are kept beside it.
pub const Error = error{Failed};

/// The words of what failed.
pub const Failure = struct {
    message: []const u8,
    retryable: bool = false,
    cause: ?contract.HostError = null,

    /// What the database said, when it was the database that failed.
    pub fn database(self: *const Failure) ?*const contract.DatabaseError {
        const cause = if (self.cause) |*cause| cause else return null;
        return switch (cause.kind) {
            .constraint_violated, .syntax, .busy, .other => &cause.as.database,
            else => null,
        };
    }
};

/// What failed last.
pub var last: ?Failure = null;

/// Fails in the step's own words: `return wasmigrate.fail("row {d} has no name", .{id});`. In a transformation it rejects the row.
pub fn fail(comptime format: []const u8, arguments: anytype) Error {
    last = .{ .message = memory.print(format, arguments) };
    return error.Failed;
}

/// Puts what was attempted before the words of what failed.
pub fn context(failed: anyerror, comptime format: []const u8, arguments: anytype) Error {
    const failure = of(failed);
    last = .{
        .message = memory.print(format ++ ": {s}", arguments ++ .{failure.message}),
        .retryable = failure.retryable,
        .cause = failure.cause,
    };
    return error.Failed;
}

/// Says that the same step may succeed when it is tried again. A busy database says so by itself.
pub fn retryable(failed: anyerror) Error {
    last = of(failed);
    last.?.retryable = true;
    return error.Failed;
}

/// The words of an error: of one from elsewhere, its name.
pub fn of(failed: anyerror) Failure {
    if (failed == error.Failed) {
        if (last) |failure| return failure;
    }
    return .{ .message = @errorName(failed) };
}

/// The host's error.
pub fn ofHost(cause: contract.HostError) Error {
    const message = switch (cause.kind) {
        .constraint_violated, .syntax, .busy, .other => memory.print("{s} ({s})", .{
            cause.as.database.message.slice(),
            cause.as.database.code.slice(),
        }),
        .limit_exceeded => memory.print("the limit {s} of {d} was reached", .{ cause.as.limit.name.slice(), cause.as.limit.value }),
        .cancelled => "the run was cancelled",
        .not_permitted, .invalid_argument => cause.as.reason.slice(),
    };
    last = .{ .message = message, .retryable = cause.kind == .busy, .cause = cause };
    return error.Failed;
}
