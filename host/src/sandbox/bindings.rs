//! The contract in `wit/`, as Rust types.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated from the contract, which has its own comments"
)]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "step",
    imports: {
        "wasmigrate:migration/report.output": trappable,
        "wasmigrate:migration/report.progress": trappable,
        "wasmigrate:migration/settings": trappable,
        "wasmigrate:migration/database.server": trappable,
        default: async | trappable,
    },
    exports: { default: async },
    with: {
        "wasmigrate:migration/database.cursor": crate::sandbox::database::Cursor,
        "wasmigrate:migration/database.savepoint": crate::sandbox::database::Savepoint,
    },
    trappable_error_type: { "wasmigrate:migration/types.error" => crate::database::Error },
});

/// What a step has since 0.2.
pub mod phases {
    wasmtime::component::bindgen!({
        path: ["../wit", "../wit/0.2"],
        world: "wasmigrate:migration/phases@0.2.0",
        exports: { default: async },
    });
}

/// What runners of scripts have beside the exports of the other worlds.
pub mod runner {
    wasmtime::component::bindgen!({
        path: "../guest-migrations/runners/wit",
        world: "runner",
        exports: { default: async },
    });
}

/// What takes the types out of TypeScript.
pub mod eraser {
    wasmtime::component::bindgen!({
        path: "../guest-migrations/runners/wit",
        world: "eraser",
        exports: { default: async },
    });
}

/// What a runner has for transformations beside the exports of a step.
pub mod transformer {
    wasmtime::component::bindgen!({
        path: ["../wit", "../wit/0.2", "../guest-migrations/runners/wit", "../guest-migrations/runners/python/wit"],
        world: "wasmigrate:python/transformer",
        exports: { default: async },
        with: {
            "wasmigrate:migration/types": crate::sandbox::bindings::wasmigrate::migration::types,
            "wasmigrate:migration/transformations": crate::sandbox::bindings::transform::wasmigrate::migration::transformations,
        },
    });
}

/// The world of transformations, with the types of the other.
pub mod transform {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "transform",
        exports: { default: async },
        with: { "wasmigrate:migration/types": crate::sandbox::bindings::wasmigrate::migration::types },
    });
}
