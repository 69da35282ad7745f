//! What is no process of somebody else's is refused, with a sentence that says why; and an id is not enough to be taken
//! for the process that once had it.

use crate::family::{self, Family};
use plimsoll_faults::{Process, ProcessError};

#[test]
fn to_a_group_the_first_process_or_oneself() {
    for (pid, why) in [
        (0, "every process of this one's group"),
        (1, "the first process"),
        (std::process::id(), "it is this process"),
        (u32::MAX, "negative"),
        (1 << 31, "negative"),
    ] {
        for refused in [Process::attach(pid), Process::attach_tree(pid)] {
            let error = refused.unwrap_err();
            assert!(matches!(error, ProcessError::Forbidden { pid: said, .. } if said == pid));
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}

#[test]
fn to_a_family_that_one_belongs_to() {
    let parent = std::os::unix::process::parent_id();
    // In a container the parent may be the first process, which is refused for another reason.
    if parent > 1 {
        let error = Process::attach_tree(parent).unwrap_err();
        assert!(error.to_string().contains("this process is among its descendants"), "{error}");
    }
}

#[tokio::test]
async fn to_a_process_that_is_gone() {
    let mut family = Family::of("exec sleep 600");
    let process = Process::attach(family.pid()).unwrap();
    assert!(process.is_alive());
    family.reap();
    assert!(!process.is_alive() && process.pids().is_empty());
    for refused in [process.freeze().await, process.kill().await] {
        assert!(matches!(refused, Err(ProcessError::Gone { pid }) if pid == family.pid()), "{refused:?}");
    }
    process.thaw().unwrap();
    assert!(matches!(Process::attach(family.pid()), Err(ProcessError::Gone { .. })));
}

#[tokio::test]
async fn nor_is_a_zombie_waited_for() {
    let family = Family::of("exec true");
    family::until(|| family::state(family.pid()) == Some('Z')).await;
    assert!(matches!(Process::attach(family.pid()), Err(ProcessError::Gone { .. })));
}
