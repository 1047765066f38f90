//! What it would cost to compile a component, counted before it is paid.
//!
//! A component names others to instantiate, and these name others: each level of a few bytes multiplies the work, and the
//! compiler lays all of it out.

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef, Instance, Parser, Payload,
};

/// How many instances of components and modules one component may come to. Those that toolchains make have some ten.
const MOST_INSTANCES: u64 = 10_000;

/// How many bytes one function may have. The compiler's time and memory grow faster than its length; the largest of a language
/// runtime have some hundred thousand.
const MOST_FUNCTION_BYTES: usize = 4 << 20;

/// A component whose end was not reached yet.
#[derive(Default)]
struct Open {
    is_module: bool,
    /// How many instances each component of its index space comes to.
    components: Vec<u64>,
    instances: u64,
}

/// Refuses a component that costs too much; the error says why. What cannot be read is left to the compiler.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let mut open: Vec<Open> = Vec::new();
    // Of all components that were read to their ends, what the largest comes to.
    let mut largest = 1;
    let mut next_is_module = false;
    for payload in Parser::new(0).parse_all(bytes) {
        let Ok(payload) = payload else { return Ok(()) };
        if let Payload::CodeSectionEntry(body) = &payload
            && body.range().len() > MOST_FUNCTION_BYTES
        {
            return Err(format!(
                "one of its functions has {} MiB, and may have {} at most",
                body.range().len() >> 20,
                MOST_FUNCTION_BYTES >> 20
            ));
        }
        match payload {
            Payload::Version { .. } => open.push(Open {
                is_module: std::mem::take(&mut next_is_module),
                ..Open::default()
            }),
            Payload::ModuleSection { .. } => next_is_module = true,
            Payload::ComponentSection { .. } => next_is_module = false,
            Payload::End(_) => {
                let Some(ended) = open.pop() else {
                    return Ok(());
                };
                if ended.is_module {
                    continue;
                }
                let instances = ended.instances.saturating_add(1);
                if instances > MOST_INSTANCES {
                    return Err(format!(
                        "it comes to more than {MOST_INSTANCES} instances of components and modules"
                    ));
                }
                largest = largest.max(instances);
                if let Some(parent) = open.last_mut() {
                    parent.components.push(instances);
                }
            }
            other => {
                if count(other, &mut open, largest).is_none() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Counts a section of the innermost component; none when it cannot be read.
fn count(payload: Payload<'_>, open: &mut [Open], largest: u64) -> Option<()> {
    match payload {
        Payload::ComponentInstanceSection(instances) => {
            for instance in instances {
                if let ComponentInstance::Instantiate {
                    component_index, ..
                } = instance.ok()?
                {
                    let innermost = open.last_mut()?;
                    let index = usize::try_from(component_index).ok()?;
                    let cost = innermost.components.get(index).copied().unwrap_or(largest);
                    innermost.instances = innermost.instances.saturating_add(cost);
                }
            }
        }
        Payload::InstanceSection(instances) => {
            for instance in instances {
                if let Instance::Instantiate { .. } = instance.ok()? {
                    let innermost = open.last_mut()?;
                    innermost.instances = innermost.instances.saturating_add(1);
                }
            }
        }
        Payload::ComponentAliasSection(aliases) => {
            for alias in aliases {
                let cost = match alias.ok()? {
                    ComponentAlias::InstanceExport {
                        kind: ComponentExternalKind::Component,
                        ..
                    } => largest,
                    ComponentAlias::Outer {
                        kind: ComponentOuterAliasKind::Component,
                        count,
                        index,
                    } => {
                        let level = open.len().checked_sub(1 + usize::try_from(count).ok()?)?;
                        let outer = open.get(level)?;
                        let index = usize::try_from(index).ok()?;
                        outer.components.get(index).copied().unwrap_or(largest)
                    }
                    _ => continue,
                };
                open.last_mut()?.components.push(cost);
            }
        }
        Payload::ComponentImportSection(imports) => {
            for import in imports {
                if let ComponentTypeRef::Component(_) = import.ok()?.ty {
                    // Nobody knows yet which one it is.
                    open.last_mut()?.components.push(MOST_INSTANCES);
                }
            }
        }
        Payload::ComponentExportSection(exports) => {
            for export in exports {
                let export = export.ok()?;
                if export.kind == ComponentExternalKind::Component {
                    let innermost = open.last_mut()?;
                    let index = usize::try_from(export.index).ok()?;
                    let cost = innermost.components.get(index).copied().unwrap_or(largest);
                    innermost.components.push(cost);
                }
            }
        }
        _ => {}
    }
    Some(())
}
