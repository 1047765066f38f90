//! What a component says of itself in a registry: <https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/>

use serde::Serialize;
use wasmparser::{Parser, Payload};

use super::content_digest::ContentDigest;

/// What stands where a time is required: the same content is to make the same bytes.
const NO_TIME: &str = "1970-01-01T00:00:00Z";

const STEP: &str = "wasmigrate:migration/step@0.1.0";
const STEP_THAT_TELLS_PHASES: &str = "wasmigrate:migration/step@0.2.0";
const TRANSFORM: &str = "wasmigrate:migration/transform@0.1.0";

/// The configuration of a component in a registry.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ComponentConfig {
    created: &'static str,
    author: Option<String>,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [ContentDigest; 1],
    component: ComponentNames,
}

#[derive(Debug, Serialize)]
struct ComponentNames {
    exports: Vec<String>,
    imports: Vec<String>,
    target: Option<&'static str>,
}

impl ComponentConfig {
    /// The configuration of these bytes; why there is none when they are no component.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, String> {
        if !Parser::is_component(bytes) {
            return Err("is no component: build it with `wasmigrate build`".to_owned());
        }
        let (imports, exports) =
            names(bytes).map_err(|error| format!("is no component that can be read: {error}"))?;
        let has = |name: &str| exports.iter().any(|export| export == name);
        let target = match (has("migrate"), has("transform")) {
            (true, _) if has("has-reset") => Some(STEP_THAT_TELLS_PHASES),
            (true, _) => Some(STEP),
            (_, true) => Some(TRANSFORM),
            _ => None,
        };
        Ok(Self {
            created: NO_TIME,
            author: None,
            architecture: "wasm",
            os: "wasip2",
            layer_digests: [ContentDigest::of(bytes)],
            component: ComponentNames {
                exports,
                imports,
                target,
            },
        })
    }
}

/// What the outermost component imports and exports.
pub(super) fn names(bytes: &[u8]) -> wasmparser::Result<(Vec<String>, Vec<String>)> {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok((imports, exports))
}
