//! What `wit-bindgen` makes of the contract in `wit/`. Nothing here is meant to be used directly.

#![allow(
    unsafe_code,
    missing_docs,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]

wit_bindgen::generate!({
    path: "../../wit",
    world: "step",
    generate_all,
    pub_export_macro: true,
    export_macro_name: "export_world",
    default_bindings_module: "wasmigrate_sdk::bindings",
});

/// What a step has since 0.2 of the contract.
pub mod phases {
    wit_bindgen::generate!({
        path: ["../../wit", "../../wit/0.2"],
        world: "wasmigrate:migration/phases@0.2.0",
        pub_export_macro: true,
        export_macro_name: "export_phases_world",
        default_bindings_module: "wasmigrate_sdk::bindings::phases",
    });
}

/// The world of transformations, with the types of the other.
pub mod transform {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "transform",
        pub_export_macro: true,
        export_macro_name: "export_transform_world",
        default_bindings_module: "wasmigrate_sdk::bindings::transform",
        with: {
            "wasmigrate:migration/types@0.1.0": crate::bindings::wasmigrate::migration::types,
            "wasmigrate:migration/transformations@0.1.0": generate,
        },
    });
}
