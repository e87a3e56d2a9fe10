//! The repository obeys its own rules.

use std::path::Path;

use lake_tidy::{
    SourceFile, Violation, arrows, commands, layout, links, manifest, platform, rust, tracked_files, words,
};

fn check(rule: fn(&[SourceFile]) -> Vec<Violation>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let files = tracked_files(&root).expect("a git repository");
    assert!(files.len() > 50, "only {} files were found", files.len());
    let violations: Vec<_> = rule(&files).iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

#[test]
fn crates_use_only_what_their_arrows_reach() {
    check(arrows::check);
}

#[test]
fn cores_do_not_know_where_they_run() {
    check(platform::check);
}

#[test]
fn no_file_holds_a_banned_word() {
    check(words::check);
}

#[test]
fn no_file_is_stray_nameless_or_too_long() {
    check(layout::check);
}

#[test]
fn sources_have_docs_and_reasons_and_tests_that_run() {
    check(rust::check);
}

#[test]
fn manifests_take_the_lints_and_the_public_registry() {
    check(manifest::check);
}

#[test]
fn links_of_documents_lead_somewhere() {
    check(links::check);
}

#[test]
fn commands_of_documents_exist() {
    check(commands::check);
}
