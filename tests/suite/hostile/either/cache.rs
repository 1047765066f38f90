//! Compiled code that somebody has tampered with is never run.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::hosts::host::until;
use crate::place::Place;

use crate::hostile::component::{Component, sql, writes};
use crate::hostile::{STEP, attack};

/// A benign step whose compiled form lies in a cache of its own, not run yet.
fn compiled() -> (Place, PathBuf) {
    let place = attack(Component::migrating(sql(
        "INSERT INTO audit VALUES ('genuine')",
    )))
    .place
    .with_own_cache();
    let code = compile(&place, STEP);
    (place, code)
}

/// Has the host compile a step, and finds what it keeps of it.
fn compile(place: &Place, file_name: &str) -> PathBuf {
    let before = kept(place, "cwasm");
    let step = place.step(file_name);
    place.run(&["inspect", step.to_str().unwrap()]).ends_with(0);
    let mut new = kept(place, "cwasm");
    new.retain(|path| !before.contains(path));
    assert_eq!(new.len(), 1);
    new.remove(0)
}

fn kept(place: &Place, extension: &str) -> Vec<PathBuf> {
    let components = place.path().join("cache/components");
    let directories = fs::read_dir(components).into_iter().flatten();
    directories
        .flat_map(|directory| fs::read_dir(directory.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect()
}

/// Runs the step: what it does is what its file says, and the compiled code is sound again.
#[track_caller]
fn does_what_its_file_says(place: &Place, code: &Path, sound: &[u8]) {
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.texts("SELECT note FROM audit"), ["genuine"]);
    assert_eq!(place.one::<i64>("SELECT sum(balance) FROM account"), 600);
    assert!(fs::read(code).unwrap() == sound, "it was not compiled anew");
}

#[test]
fn a_flipped_bit_is_noticed() {
    for tenths in [0, 3, 6, 9] {
        let (place, code) = compiled();
        let sound = fs::read(&code).unwrap();
        let mut poisoned = sound.clone();
        poisoned[sound.len() * tenths / 10] ^= 1;
        fs::write(&code, poisoned).unwrap();
        does_what_its_file_says(&place, &code, &sound);
    }
}

#[test]
fn a_truncated_file_is_noticed() {
    for length in [0, 1, 64, 4096] {
        let (place, code) = compiled();
        let sound = fs::read(&code).unwrap();
        fs::write(&code, &sound[..length]).unwrap();
        does_what_its_file_says(&place, &code, &sound);
    }
}

#[test]
fn garbage_is_noticed_even_with_a_fitting_checksum() {
    let (place, code) = compiled();
    let sound = fs::read(&code).unwrap();
    let sound_checksum = fs::read(code.with_extension("xxh3")).unwrap();
    fs::write(&code, b"garbage").unwrap();
    fs::write(code.with_extension("xxh3"), b"garbage").unwrap();
    does_what_its_file_says(&place, &code, &sound);
    assert_eq!(
        fs::read(code.with_extension("xxh3")).unwrap(),
        sound_checksum
    );
}

#[test]
fn the_code_of_another_component_is_not_run_in_its_place() {
    let (place, code) = compiled();
    let sound = fs::read(&code).unwrap();
    place.write_step("0002_evil.wasm", &Component::migrating(writes()).build());
    let evil = compile(&place, "0002_evil.wasm");
    fs::remove_file(place.step("0002_evil.wasm")).unwrap();
    fs::copy(evil, &code).unwrap();
    does_what_its_file_says(&place, &code, &sound);
}

#[test]
fn a_missing_half_is_noticed() {
    for extension in ["cwasm", "xxh3"] {
        let (place, code) = compiled();
        let sound = fs::read(&code).unwrap();
        fs::remove_file(code.with_extension(extension)).unwrap();
        does_what_its_file_says(&place, &code, &sound);
    }
}

#[test]
fn a_directory_that_others_may_write_into_is_refused() {
    for mode in [0o770, 0o707, 0o777, 0o720] {
        let (place, code) = compiled();
        let directory = code.parent().unwrap();
        fs::set_permissions(directory, fs::Permissions::from_mode(mode)).unwrap();
        let before = place.content();
        place
            .run(&["migrate"])
            .ends_with(2)
            .and_says(&format!("is open to other users (mode {mode:o})"))
            .and_says("make it 0700");
        assert_eq!(place.content(), before);
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).unwrap();
        place.run(&["migrate"]).ends_with(0);
    }
}

#[test]
fn a_directory_of_another_user_is_refused() {
    // Only the superuser gives files away.
    if is_superuser() {
        let (place, code) = compiled();
        let directory = code.parent().unwrap();
        let own = |path: &Path, user: u32| {
            std::os::unix::fs::chown(path, Some(user), Some(user)).unwrap()
        };
        for path in [directory, directory.parent().unwrap()] {
            own(path, 65534);
            place.run(&["migrate"]).ends_with(2).and_says(
                "belongs to another user (number 65534), who could plant something in it",
            );
            own(path, 0);
        }
        // Code of another user in a directory of one's own is compiled anew.
        let sound = fs::read(&code).unwrap();
        own(&code, 65534);
        fs::write(code.with_extension("xxh3"), b"0123456789abcdef").unwrap();
        own(&code.with_extension("xxh3"), 65534);
        does_what_its_file_says(&place, &code, &sound);
    }
}

fn is_superuser() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").unwrap().uid() == 0
}

#[test]
fn a_directory_in_one_that_everybody_writes_to_is_refused() {
    let (place, code) = compiled();
    let above = code.ancestors().nth(3).unwrap();
    fs::set_permissions(above, fs::Permissions::from_mode(0o777)).unwrap();
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("can be written by everybody");
    fs::set_permissions(above, fs::Permissions::from_mode(0o1777)).unwrap();
    place.run(&["migrate"]).ends_with(0);
}

#[test]
fn a_directory_in_one_that_a_group_writes_to_is_refused_unless_it_is_ones_own() {
    if !is_superuser() {
        return;
    }
    let (place, code) = compiled();
    let above = code.ancestors().nth(3).unwrap();
    fs::set_permissions(above, fs::Permissions::from_mode(0o770)).unwrap();
    place.run(&["migrate"]).ends_with(0);
    std::os::unix::fs::chown(above, None, Some(65534)).unwrap();
    let before = place.content();
    place
        .run(&["finalize"])
        .ends_with(2)
        .and_says("can be written by its group");
    assert_eq!(place.content(), before);
}

#[test]
fn compiled_code_is_no_step() {
    let (place, code) = compiled();
    place.write_step(STEP, &fs::read(code).unwrap());
    let before = place.content();
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("the file is compiled code (.cwasm), which the host never accepts");
    assert_eq!(place.content(), before);
}

#[test]
fn digests_that_another_user_has_written_down_are_not_believed() {
    if !is_superuser() {
        return;
    }
    let place = Place::new().with_own_cache();
    let file = place.step("0001_a.sql");
    fs::write(&file, "CREATE TABLE a (b INTEGER);").unwrap();
    place.run(&["migrate"]).ends_with(0);
    let memories = place.path().join("cache/digests");
    let memory = || Some(fs::read_dir(&memories).ok()?.next()?.unwrap().path());
    let digest = || {
        let text = fs::read_to_string(memory()?).unwrap();
        let digest = text.split('"').find(|word| word.len() == 64);
        digest.map(str::to_owned)
    };
    // What has just been written is not remembered.
    let until_another = |known: Option<String>| {
        until("the digest is remembered", || {
            place.run(&["status"]);
            digest() != known
        });
        digest().unwrap()
    };
    let before = until_another(None);
    fs::write(&file, "CREATE TABLE a (b INTEGER, c INTEGER);").unwrap();
    let after = until_another(Some(before.clone()));
    let memory = memory().unwrap();
    let planted = fs::read_to_string(&memory)
        .unwrap()
        .replace(&after, &before);
    fs::write(&memory, planted).unwrap();
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
    for path in [memory, memories.clone()] {
        std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
    }
    place.run(&["migrate"]).ends_with(2).and_says("0001_a.sql");
}
