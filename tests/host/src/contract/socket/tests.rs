//! Sockets that break a rule each.

use super::*;
use crate::contract::assert_all;
use crate::contract::broken_lab::BrokenLab;
use crate::{MemoryLab, run};

fn check(broken: BrokenLab, rules: &[&str]) {
    let cases = run(check_sockets(&broken, "only"));
    let found: Vec<_> = cases.iter().filter(|case| case.outcome.is_err()).map(|case| case.name).collect();
    assert_eq!(found, rules);
}

#[test]
fn memory_obeys_the_contract_of_sockets() {
    let lab = MemoryLab::new();
    assert_all(run(check_sockets(&lab, "first")));
    assert_all(run(check_sockets(&lab, "second")));
}

#[test]
fn a_lost_message_is_found() {
    let answer = |answer| match answer {
        Answer::Seen(mut seen) => {
            seen.retain(|seen| !matches!(seen, Seen::Binary(bytes) if bytes.length == 65_536));
            Answer::Seen(seen)
        }
        other => other,
    };
    check(BrokenLab { answer, ..BrokenLab::default() }, &["a binary message of any length arrives whole"]);
}

#[test]
fn messages_out_of_order_are_found() {
    let answer = |answer| match answer {
        Answer::Seen(mut seen) if seen.len() > 100 => {
            seen.swap(50, 51);
            Answer::Seen(seen)
        }
        other => other,
    };
    let rules = ["messages arrive in order and once", "messages to an object that is not in memory arrive in order"];
    check(BrokenLab { answer, ..BrokenLab::default() }, &rules);
}

#[test]
fn an_eviction_that_keeps_memory_shows_nothing_and_is_found() {
    let rule = "an evicted object finds its sockets with what is attached and goes on";
    check(BrokenLab { evicts: false, ..BrokenLab::default() }, &[rule]);
}

#[test]
fn a_forgotten_reason_is_found() {
    let order = |order| match order {
        Order::Act { tag, mut acts } => {
            for act in &mut acts {
                if let Act::Close(_, reason) = act {
                    reason.clear();
                }
            }
            Order::Act { tag, acts }
        }
        other => other,
    };
    let cases = run(check_sockets(&BrokenLab { order, ..BrokenLab::default() }, "only"));
    assert_eq!(cases.iter().filter(|case| case.outcome.is_err()).count(), 6);
}

#[test]
fn sending_after_a_close_is_found() {
    let answer = |answer| match answer {
        Answer::Seen(mut seen) => {
            for event in &mut seen {
                if let Seen::Closed { can_send, .. } = event {
                    *can_send = true;
                }
            }
            Answer::Seen(seen)
        }
        Answer::Acted(outcomes) => Answer::Acted(outcomes.into_iter().map(|_| Ok(())).collect()),
        other => other,
    };
    let cases = run(check_sockets(&BrokenLab { answer, ..BrokenLab::default() }, "only"));
    let is_broken = |rule: &str| cases.iter().any(|case| case.name == rule && case.outcome.is_err());
    assert!(is_broken("an end that has closed sends nothing any more, and closing again does nothing"));
    assert!(is_broken("an end that has seen a close sends nothing any more"));
}

#[test]
fn a_message_that_arrives_twice_is_found() {
    let answer = |answer| match answer {
        Answer::Seen(mut seen) => {
            let is_repeated = |event: &Seen| *event == text("to the first").1;
            seen.extend(seen.iter().find(|event| is_repeated(event)).cloned());
            Answer::Seen(seen)
        }
        other => other,
    };
    check(BrokenLab { answer, ..BrokenLab::default() }, &["sockets are found by their tag"]);
}

#[test]
fn forgotten_attachments_are_found() {
    let answer = |answer| match answer {
        Answer::Held(held) => Answer::Held(vec![None; held.len()]),
        other => other,
    };
    let rules = [
        "what is attached last is held",
        "an attachment that is too large is refused and the one before it stays",
        "sockets are found by their tag",
        "an evicted object finds its sockets with what is attached and goes on",
    ];
    check(BrokenLab { answer, ..BrokenLab::default() }, &rules);
}
