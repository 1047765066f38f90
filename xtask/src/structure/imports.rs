//! Which file of a crate takes names from which.
//!
//! A name that a folder's first page (`mod.rs`) hands on counts for the file that defines it. What a file takes from the
//! first page of a folder that it lies in is no arrow: that page is the room, not a neighbour.

use std::collections::{BTreeMap, BTreeSet};

use syn::{Item, UseTree};

type Path = Vec<String>;

/// The imports of a crate, from file to file.
pub(super) struct Imports {
    arrows: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

/// A file as a module.
struct Module {
    file: String,
    is_page: bool,
    /// What it brings in: the name that it has here, and the path that it comes from.
    uses: Vec<(String, Path)>,
}

impl Imports {
    pub(super) fn read<'f>(root: &str, files: impl Iterator<Item = (&'f str, &'f str)>) -> Self {
        let mut modules = BTreeMap::new();
        for (file, text) in files {
            let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{file}: {error}"));
            let inside = file.strip_prefix(root).unwrap_or(file);
            let inside = inside.trim_start_matches('/').trim_end_matches(".rs");
            let mut path: Path = inside.split('/').map(str::to_owned).collect();
            let last = path.last().cloned().unwrap_or_default();
            let is_page = ["mod", "lib", "main"].contains(&&*last);
            if is_page {
                path.pop();
            }
            let mut uses = Vec::new();
            collect(&parsed.items, &path, &mut uses);
            modules.insert(
                path,
                Module {
                    file: file.to_owned(),
                    is_page,
                    uses,
                },
            );
        }
        let mut arrows: BTreeMap<_, BTreeMap<_, BTreeSet<_>>> = BTreeMap::new();
        for (path, module) in &modules {
            for (_, from) in &module.uses {
                let Some((target, name)) = resolve(&modules, from, 0) else {
                    continue;
                };
                let Some(other) = modules.get(&target) else {
                    continue;
                };
                let is_own_page = other.is_page && path.starts_with(&target);
                let is_own_part = module.is_page && target.starts_with(path);
                if other.file == module.file || is_own_page || is_own_part {
                    continue;
                }
                let to: &mut BTreeMap<_, BTreeSet<_>> =
                    arrows.entry(module.file.clone()).or_default();
                to.entry(other.file.clone()).or_default().insert(name);
            }
        }
        Self { arrows }
    }

    /// The groups of files that need each other, with what ties them.
    pub(super) fn circles(&self) -> Vec<String> {
        let mut circles = Vec::new();
        let mut known = BTreeSet::new();
        for file in self.arrows.keys() {
            if known.contains(file) {
                continue;
            }
            let circle: BTreeSet<&String> = self
                .reached(file)
                .into_iter()
                .filter(|other| self.reached(other).contains(file))
                .collect();
            if circle.is_empty() {
                continue;
            }
            known.extend(circle.iter().map(|file| (*file).clone()));
            let mut text = String::new();
            for from in &circle {
                for (to, names) in self.arrows.get(*from).into_iter().flatten() {
                    if circle.contains(to) {
                        let names: Vec<&str> = names.iter().map(String::as_str).collect();
                        text.push_str(&format!("  {from} takes {} from {to}\n", names.join(", ")));
                    }
                }
            }
            circles.push(text);
        }
        circles
    }

    /// All files that a file needs, directly or not; itself only in a circle.
    fn reached(&self, file: &str) -> BTreeSet<&String> {
        let mut reached = BTreeSet::new();
        let mut open = vec![file];
        while let Some(file) = open.pop() {
            for to in self.arrows.get(file).into_iter().flat_map(BTreeMap::keys) {
                if reached.insert(to) {
                    open.push(to);
                }
            }
        }
        reached
    }
}

/// The module that defines what a path names, and the name.
fn resolve(modules: &BTreeMap<Path, Module>, path: &Path, depth: usize) -> Option<(Path, String)> {
    let module = (0..=path.len())
        .rev()
        .map(|length| &path[..length])
        .find(|prefix| modules.contains_key(*prefix))?
        .to_vec();
    let Some(name) = path.get(module.len()) else {
        return Some((module, "*".to_owned()));
    };
    let handed_on = modules
        .get(&module)?
        .uses
        .iter()
        .find(|(here, _)| here == name);
    if let Some((_, from)) = handed_on
        && depth < 8
    {
        let mut from = from.clone();
        from.extend(path.iter().skip(module.len() + 1).cloned());
        return resolve(modules, &from, depth + 1);
    }
    Some((module, name.clone()))
}

fn collect(items: &[Item], module: &Path, uses: &mut Vec<(String, Path)>) {
    for item in items {
        match item {
            Item::Use(item) => flatten(&item.tree, Vec::new(), module, uses),
            // The unit tests of a file are no part of the house.
            Item::Mod(_) => {}
            _ => {}
        }
    }
}

fn flatten(tree: &UseTree, mut before: Path, module: &Path, uses: &mut Vec<(String, Path)>) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, module, uses);
        }
        UseTree::Group(group) => {
            for tree in &group.items {
                flatten(tree, before.clone(), module, uses);
            }
        }
        UseTree::Name(name) => {
            let name = name.ident.to_string();
            let here = match &*name {
                "self" => before.last().cloned().unwrap_or_default(),
                _ => name.clone(),
            };
            if name != "self" {
                before.push(name);
            }
            uses.push((here, absolute(&before, module)));
        }
        UseTree::Rename(rename) => {
            if rename.ident != "self" {
                before.push(rename.ident.to_string());
            }
            uses.push((rename.rename.to_string(), absolute(&before, module)));
        }
        UseTree::Glob(_) => uses.push(("*".to_owned(), absolute(&before, module))),
    }
}

/// The path from the root of the crate.
fn absolute(path: &[String], module: &Path) -> Path {
    let mut base = module.clone();
    let mut rest = path;
    match rest.first().map(String::as_str) {
        Some("crate") => {
            base.clear();
            rest = &rest[1..];
        }
        Some("self") => rest = &rest[1..],
        Some("super") => {
            while rest.first().is_some_and(|part| part == "super") {
                base.pop();
                rest = &rest[1..];
            }
        }
        // A part of this module, or another crate, of which there is no file.
        _ => {}
    }
    base.extend(rest.iter().cloned());
    base
}
