//! The contract `wasmigrate:migration`: what crosses the boundary to the host, laid out as the canonical ABI of components lays out the
//! types in `wit/`, and the functions that the host offers.

/// A list, or a text in UTF-8, as the host sees it.
pub fn List(comptime T: type) type {
    return extern struct {
        address: usize,
        length: usize,

        const Self = @This();

        pub fn of(items: []const T) Self {
            // Where nothing is, Zig has no address; the host demands one that could be.
            return .{ .address = if (items.len == 0) @alignOf(T) else @intFromPtr(items.ptr), .length = items.len };
        }

        pub fn slice(self: Self) []const T {
            if (self.length == 0) return &.{};
            return @as([*]const T, @ptrFromInt(self.address))[0..self.length];
        }
    };
}

pub const Text = List(u8);

pub const OptionalText = extern struct {
    is_some: u8,
    text: Text,

    pub fn of(text: ?[]const u8) OptionalText {
        return .{ .is_some = @intFromBool(text != null), .text = Text.of(text orelse "") };
    }

    pub fn get(self: OptionalText) ?[]const u8 {
        return if (self.is_some != 0) self.text.slice() else null;
    }
};

pub const ValueKind = enum(u8) { null, boolean, integer, float, text, bytes, other };

pub const Value = extern struct {
    kind: ValueKind,
    as: extern union {
        boolean: u8,
        integer: i64,
        float: f64,
        text: Text,
        other: extern struct { type_name: Text, text: Text },
    },
};

/// Texts and byte strings: where each ends, and all of them.
pub const LongCells = extern struct { ends: List(u32), data: Text };

pub const ColumnKind = enum(u8) { booleans, integers, floats, texts, bytes, mixed };

pub const Column = extern struct {
    validity: List(u8),
    kind: ColumnKind,
    cells: extern union {
        booleans: List(u8),
        integers: List(i64),
        floats: List(f64),
        long: LongCells,
        mixed: List(Value),
    },
};

pub const Batch = extern struct { rows: u32, columns: List(Column) };

pub const DatabaseError = extern struct {
    code: Text,
    message: Text,
    detail: OptionalText,
    hint: OptionalText,
    table: OptionalText,
    column: OptionalText,
    constraint: OptionalText,
};

pub const HostErrorKind = enum(u8) {
    constraint_violated,
    syntax,
    busy,
    limit_exceeded,
    cancelled,
    not_permitted,
    invalid_argument,
    other,
};

/// Why a call of the host failed.
pub const HostError = extern struct {
    kind: HostErrorKind,
    as: extern union {
        database: DatabaseError,
        limit: extern struct { name: Text, value: u64 },
        reason: Text,
    },
};

/// What a call of the host answers.
pub const Answer = extern struct {
    is_error: u8,
    as: extern union {
        count: u64,
        handle: u32,
        batch: Batch,
        failure: HostError,
    },
};

pub const Failure = extern struct {
    message: Text,
    retryable: u8,
    has_cause: u8 align(8),
    cause: HostError,
};

/// How a function of a step ends.
pub const Outcome = extern struct {
    is_error: u8,
    as: extern union {
        rows: extern struct { is_some: u8, count: u64 },
        failure: Failure,
    },
};

pub const Description = extern struct { summary: Text, transactional: u8 };

pub const DerivedColumn = extern struct { name: Text, type_name: Text, nullable: u8, replaces: OptionalText };

pub const Transformation = extern struct {
    summary: Text,
    table: Text,
    key: List(Text),
    inputs: List(Text),
    derived: List(DerivedColumn),
    dropped: List(Text),
    filter: OptionalText,
};

pub const RejectedRow = extern struct { row: u32, message: Text };

/// What a transformation answers.
pub const Transformed = extern struct {
    is_error: u8,
    as: extern union { batch: Batch, rejected: List(RejectedRow) },
};

pub const Product = extern struct { kind: u8, other: Text, version: Text };

comptime {
    for (.{ .{ Value, 24 }, .{ Column, 28 }, .{ Batch, 12 }, .{ HostError, 88 }, .{ Answer, 96 }, .{ Failure, 112 } }) |layout| {
        if (@sizeOf(layout[0]) != layout[1]) @compileError(@typeName(layout[0]) ++ " has another size in the contract");
    }
}

pub extern "wasmigrate:migration/database@0.1.0" fn server(*Product) void;
pub extern "wasmigrate:migration/database@0.1.0" fn execute([*]const u8, usize, [*]const Value, usize, *Answer) void;
pub extern "wasmigrate:migration/database@0.1.0" fn @"execute-many"([*]const u8, usize, u32, [*]const Column, usize, *Answer) void;
pub extern "wasmigrate:migration/database@0.1.0" fn load([*]const u8, usize, [*]const Text, usize, u32, [*]const Column, usize, *Answer) void;
pub extern "wasmigrate:migration/database@0.1.0" fn query([*]const u8, usize, [*]const Value, usize, *Answer) void;
pub extern "wasmigrate:migration/database@0.1.0" fn @"[method]cursor.next"(u32, u32, *Answer) void;
pub extern "wasmigrate:migration/database@0.1.0" fn @"[resource-drop]cursor"(u32) void;
pub extern "wasmigrate:migration/database@0.1.0" fn @"[static]savepoint.open"(*Answer) void;
pub extern "wasmigrate:migration/database@0.1.0" fn @"[static]savepoint.release"(u32, *Answer) void;
pub extern "wasmigrate:migration/database@0.1.0" fn @"[resource-drop]savepoint"(u32) void;
pub extern "wasmigrate:migration/report@0.1.0" fn output(u32, [*]const u8, usize) void;
pub extern "wasmigrate:migration/report@0.1.0" fn progress(u64, u32, u64) void;
pub extern "wasmigrate:migration/report@0.1.0" fn checkpoint([*]const u8, usize, *Answer) void;
pub extern "wasmigrate:migration/settings@0.1.0" fn get([*]const u8, usize, *OptionalText) void;
