//! The package for Debian holds the program, its manual, its completions and the pages that `explain` leads to; what is unpacked from
//! it runs, and needs the C library alone.

use crate::command::{Run, program, ran};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn done(name: &str, arguments: &[&str]) -> String {
    let Run { status, out, error: err } = ran(&mut program(name, arguments));
    assert_eq!(status, 0, "{name} {arguments:?}: {out}{err}");
    out
}

/// The program of the tests, with the C compiler's support for unwinding allowed for: only `make dist` links that in.
#[test]
fn by_dpkg() {
    let folder = tempfile::tempdir().unwrap();
    let built = env!("CARGO_BIN_EXE_plimsoll");
    let dist = root().join("scripts/dist");
    let dist = dist.to_str().unwrap();
    let into = folder.path().to_str().unwrap();
    let mut pack = program(dist, &["pack", built, into]);
    let packed = ran(pack.env("PLIMSOLL_DIST_ALSO", "libgcc_s.so.1"));
    assert_eq!(packed.status, 0, "{packed:?}");

    let deb = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|end| end == "deb"))
        .expect("a package");
    let deb = deb.to_str().unwrap();
    let info = done("dpkg-deb", &["--info", deb]);
    for field in ["Package: plimsoll", "Version: ", "Depends: libc6 (>= 2.", "Recommends: ca-certificates"] {
        assert!(info.contains(field), "{field}: {info}");
    }
    let contents = done("dpkg-deb", &["--contents", deb]);
    for file in [
        "./usr/bin/plimsoll",
        "./usr/share/man/man1/plimsoll.1.gz",
        "./usr/share/man/man1/plimsoll-doctor.1.gz",
        "./usr/share/bash-completion/completions/plimsoll",
        "./usr/share/zsh/vendor-completions/_plimsoll",
        "./usr/share/fish/vendor_completions.d/plimsoll.fish",
        "./usr/share/doc/plimsoll/errors.md",
        "./usr/share/doc/plimsoll/runbooks/database-issues.md",
        "./usr/share/doc/plimsoll/guides/operators.md",
    ] {
        assert!(contents.lines().any(|line| line.ends_with(file)), "{file}: {contents}");
    }
    assert!(contents.lines().all(|line| line.contains("root/root")), "{contents}");

    let unpacked = folder.path().join("unpacked");
    done("dpkg-deb", &["-x", deb, unpacked.to_str().unwrap()]);
    let installed = unpacked.join("usr/bin/plimsoll");
    let installed = installed.to_str().unwrap();
    assert!(done(installed, &["--version"]).starts_with("plimsoll "));
    assert!(done(installed, &["explain", "G01"]).starts_with("G01 "));
    let page =
        done("gzip", &["-dc", unpacked.join("usr/share/man/man1/plimsoll-doctor.1.gz").to_str().unwrap()]);
    assert!(page.contains("Exit status"), "{page}");

    let container = folder.path().join("container");
    assert!(container.join("plimsoll").exists() && container.join("Containerfile").exists());
}

#[test]
fn and_a_program_that_needs_other_libraries_is_refused() {
    let dist = root().join("scripts/dist");
    // It is linked with libraries of its own kind.
    let refused = ran(&mut program(dist, &["needs", "/usr/bin/dpkg-deb"]));
    assert_eq!(refused.status, 1, "{refused:?}");
    assert!(refused.error.contains("needs more than glibc: lib"), "{refused:?}");
}
