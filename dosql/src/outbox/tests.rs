//! The outbox against a lake that is written down message by message.

use std::rc::Rc;

use lake_cdc::limits::PART_BYTES_MAX;
use lake_cdc::{HelloReply, TimelineId, TransactionPart};
use lake_host::{ShardStorage, WriteBatch};
use lake_test_host::MemoryStorage;
use proptest::prelude::*;

use super::*;
use crate::line::{Line, LineEvent, LineStep};
use crate::storage::counted::CountedStorage;
use crate::storage::keys::BranchId;
use crate::storage::log_entry::{self, PageDeltas};

struct Bench {
    storage: MemoryStorage,
    outbox: Outbox,
    meta: ShardMeta,
    committed: LogPosition,
    now: Micros,
}

fn lsn(value: u64) -> Lsn {
    Lsn::new(value).expect("not zero")
}

fn bench() -> Bench {
    let storage = MemoryStorage::new();
    let log = ChangeLog::new(Rc::new(CountedStorage::new(storage.clone())), BranchId::MAIN);
    let meta = ShardMeta {
        database: "shop".into(),
        namespace: "default".into(),
        timeline: TimelineId([1; 16]),
        created_at: Micros(0),
        life: Life::Live,
        accepted: None,
        durable: None,
    };
    let outbox = Outbox::new(log, Some(&meta), LogPosition::default(), None);
    Bench { storage, outbox, meta, committed: LogPosition::default(), now: Micros(1_000_000_000) }
}

impl Bench {
    fn commit(&mut self, record_bytes: usize) {
        self.committed.lsn = Some(self.committed.lsn.map_or(Lsn::FIRST, Lsn::next));
        self.committed.record_bytes += record_bytes as u64;
        let mut batch = WriteBatch::new();
        let record = vec![7; record_bytes];
        log_entry::stage(&mut batch, BranchId::MAIN, self.committed, PageDeltas::default(), &record);
        self.storage.apply(&batch).expect("applies");
    }

    fn event(&mut self, event: impl FnOnce(&mut Outbox, &Facts<'_>) -> Reaction) -> Reaction {
        let facts = Facts { meta: &self.meta, committed: self.committed, now: self.now };
        event(&mut self.outbox, &facts)
    }

    fn receive(&mut self, frame: Frame) -> Reaction {
        self.event(|outbox, facts| outbox.on_message(facts, &frame.encode()))
    }

    fn greet(&mut self, accepted: Option<Lsn>) -> Reaction {
        self.event(|outbox, facts| outbox.after_request(facts));
        self.event(|outbox, facts| outbox.on_open(facts));
        self.receive(Frame::HelloReply(HelloReply { version: 1, features: 0, accepted, durable: None }))
    }

    fn wait(&mut self, millis: u32) {
        self.now.0 += i64::from(millis) * 1_000;
    }
}

fn sent(reaction: &Reaction) -> Vec<Frame> {
    let frames = reaction.steps.iter().filter_map(|step| match step {
        OutboxStep::Send(bytes) => Some(Frame::decode(bytes).expect("a frame")),
        _ => None,
    });
    frames.collect()
}

fn sent_lsns(reaction: &Reaction) -> Vec<u64> {
    let parts = sent(reaction).into_iter().flat_map(|frame| match frame {
        Frame::Changes(parts) => parts,
        _ => Vec::new(),
    });
    parts.filter(|part| part.last).map(|part| part.lsn.get()).collect()
}

#[test]
fn nothing_committed_is_nothing_to_say() {
    let mut bench = bench();
    assert!(bench.event(|outbox, facts| outbox.after_request(facts)).steps.is_empty());
    assert!(bench.event(|outbox, facts| outbox.on_alarm(facts)).steps.is_empty());
}

#[test]
fn the_first_commit_dials_and_the_greeting_says_who_is_there() {
    let mut bench = bench();
    bench.commit(10);
    assert_eq!(bench.event(|outbox, facts| outbox.after_request(facts)).steps, [OutboxStep::Connect]);
    assert!(bench.event(|outbox, facts| outbox.after_request(facts)).steps.is_empty(), "dials once");
    let hello = bench.event(|outbox, facts| outbox.on_open(facts));
    match sent(&hello).as_slice() {
        [Frame::Hello(hello)] => {
            assert_eq!((hello.database.as_str(), hello.committed), ("shop", Some(Lsn::FIRST)));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_log_is_sent_from_where_the_lake_stands() {
    let mut bench = bench();
    for _ in 0..5 {
        bench.commit(10);
    }
    assert_eq!(sent_lsns(&bench.greet(Some(lsn(3)))), [4, 5]);
    bench.commit(10);
    assert_eq!(sent_lsns(&bench.event(|outbox, facts| outbox.after_request(facts))), [6]);
}

#[test]
fn a_large_record_travels_in_parts_and_the_last_one_says_so() {
    let mut bench = bench();
    bench.commit(PART_BYTES_MAX * 2 + 5);
    let reaction = bench.greet(None);
    let parts: Vec<TransactionPart> = sent(&reaction)
        .into_iter()
        .flat_map(|frame| match frame {
            Frame::Changes(parts) => parts,
            _ => Vec::new(),
        })
        .collect();
    let shape = parts.iter().map(|part| (part.part, part.last, part.bytes.len())).collect::<Vec<_>>();
    assert_eq!(shape, [(0, false, PART_BYTES_MAX), (1, false, PART_BYTES_MAX), (2, true, 5)]);
}

#[test]
fn what_is_in_flight_is_bounded_and_acknowledgements_make_room() {
    let mut bench = bench();
    for _ in 0..12 {
        bench.commit(PART_BYTES_MAX);
    }
    assert_eq!(sent_lsns(&bench.greet(None)), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert!(sent_lsns(&bench.event(|outbox, facts| outbox.after_request(facts))).is_empty());
    assert_eq!(sent_lsns(&bench.receive(Frame::Accepted { lsn: lsn(2), delay_ms: 0 })), [9, 10]);
    assert_eq!(bench.outbox.backlog_bytes(bench.committed), 10 << 20);
}

#[test]
fn what_waits_is_counted_from_where_the_log_begins_once_it_is_trimmed() {
    // Stored as accepted, where the log ends that was trimmed, sizes of all records, and what then waits.
    let check = |accepted: Option<u64>, trimmed: u64, sizes: &[usize], waits: u64| {
        let mut bench = bench();
        sizes.iter().for_each(|size| bench.commit(*size));
        if let Some(trimmed) = Lsn::new(trimmed) {
            let mut batch = WriteBatch::new();
            batch.delete_range(crate::storage::keys::log_through(BranchId::MAIN, trimmed));
            bench.storage.apply(&batch).expect("applies");
        }
        bench.meta.accepted = accepted.and_then(Lsn::new);
        let log = ChangeLog::new(Rc::new(CountedStorage::new(bench.storage.clone())), BranchId::MAIN);
        bench.outbox = Outbox::new(log, Some(&bench.meta), bench.committed, None);
        assert_eq!(bench.outbox.backlog_bytes(bench.committed), waits, "{accepted:?} {trimmed} {sizes:?}");
        bench.greet(bench.meta.accepted.max(Lsn::new(trimmed)));
        assert_eq!(bench.outbox.backlog_bytes(bench.committed), waits, "greeted: {accepted:?} {trimmed} {sizes:?}");
    };
    check(None, 0, &[10, 20, 30], 60);
    check(Some(1), 0, &[10, 20, 30], 50);
    check(Some(1), 1, &[10, 20, 30], 50);
    check(Some(3), 3, &[10, 20, 30], 0);
    // What is stored is older than what was trimmed: the lake has told more since.
    check(Some(1), 2, &[10, 20, 30, 40], 70);
    check(None, 2, &[10, 20, 30, 40], 70);
    check(Some(1), 1, &[10, PART_BYTES_MAX * 2 + 5, 30], (PART_BYTES_MAX * 2 + 35) as u64);
}

#[test]
fn after_a_gap_a_new_connection_begins_where_the_lake_says() {
    let mut bench = bench();
    for _ in 0..3 {
        bench.commit(10);
    }
    bench.greet(None);
    let gap = Frame::Gap { expected: lsn(2) };
    assert_eq!(bench.receive(gap.clone()).steps, [OutboxStep::Close, OutboxStep::WakeIn { millis: REDIAL_MS_MIN }]);
    assert!(bench.receive(gap).steps.is_empty(), "what else was on its way is answered too");
    bench.event(|outbox, facts| outbox.on_closed(facts));
    bench.wait(REDIAL_MS_MIN);
    assert_eq!(bench.event(|outbox, facts| outbox.on_timer(facts)).steps, [OutboxStep::Connect]);
    assert_eq!(sent_lsns(&bench.greet(Some(lsn(1)))), [2, 3]);
}

#[test]
fn a_lake_that_has_lost_what_it_accepted_is_dialled_again() {
    let mut bench = bench();
    bench.commit(10);
    bench.greet(Some(lsn(1)));
    assert!(
        !bench
            .event(|outbox, facts| Reaction { is_settled: outbox.wants_connection(facts), ..Reaction::default() })
            .is_settled
    );
    bench.receive(Frame::Gap { expected: lsn(1) });
    bench.event(|outbox, facts| outbox.on_closed(facts));
    bench.wait(REDIAL_MS_MIN);
    assert_eq!(bench.event(|outbox, facts| outbox.on_timer(facts)).steps, [OutboxStep::Connect]);
}

#[test]
fn a_busy_lake_is_left_alone_for_as_long_as_it_says() {
    let mut bench = bench();
    bench.commit(10);
    bench.greet(None);
    let busy = Frame::Refused { reason: RefusalReason::Busy, retry_after_ms: 300, message: String::new() };
    assert_eq!(bench.receive(busy).steps, [OutboxStep::Close, OutboxStep::WakeIn { millis: 300 }]);
    bench.commit(10);
    bench.event(|outbox, facts| outbox.on_closed(facts));
    bench.wait(299);
    assert!(bench.event(|outbox, facts| outbox.after_request(facts)).steps.is_empty());
    bench.wait(1);
    assert_eq!(bench.event(|outbox, facts| outbox.on_timer(facts)).steps, [OutboxStep::Connect]);
    assert_eq!(sent_lsns(&bench.greet(None)), [1, 2]);
}

#[test]
fn an_idle_connection_is_closed_and_the_next_commit_dials_again() {
    let mut bench = bench();
    bench.commit(10);
    bench.greet(None);
    let accepted = bench.receive(Frame::Accepted { lsn: lsn(1), delay_ms: 0 });
    assert_eq!(accepted.steps, [OutboxStep::WakeIn { millis: IDLE_CLOSE_MS }]);
    bench.wait(IDLE_CLOSE_MS - 1);
    assert_eq!(bench.event(|outbox, facts| outbox.on_timer(facts)).steps, [OutboxStep::WakeIn { millis: 1 }]);
    bench.wait(1);
    let idle = bench.event(|outbox, facts| outbox.on_timer(facts));
    assert_eq!((idle.steps, idle.is_settled), (vec![OutboxStep::Close], true));
    bench.commit(10);
    assert!(bench.event(|outbox, facts| outbox.after_request(facts)).steps.is_empty(), "still closing");
    assert_eq!(bench.event(|outbox, facts| outbox.on_closed(facts)).steps, [OutboxStep::Connect]);
}

#[test]
fn a_connection_that_is_used_again_waits_anew_with_one_timer() {
    let mut bench = bench();
    bench.commit(10);
    bench.greet(None);
    bench.receive(Frame::Accepted { lsn: lsn(1), delay_ms: 0 });
    bench.wait(2_000);
    bench.commit(10);
    bench.event(|outbox, facts| outbox.after_request(facts));
    assert!(bench.receive(Frame::Accepted { lsn: lsn(2), delay_ms: 0 }).steps.is_empty(), "the first timer runs");
    bench.wait(3_000);
    assert_eq!(bench.event(|outbox, facts| outbox.on_timer(facts)).steps, [OutboxStep::WakeIn { millis: 2_000 }]);
    bench.wait(2_000);
    assert_eq!(bench.event(|outbox, facts| outbox.on_timer(facts)).steps, [OutboxStep::Close]);
}

#[test]
fn a_lost_connection_is_dialled_again_ever_later_and_the_alarm_is_the_back_stop() {
    let mut bench = bench();
    bench.commit(10);
    bench.event(|outbox, facts| outbox.after_request(facts));
    for millis in [200, 400, 800] {
        let closed = bench.event(|outbox, facts| outbox.on_closed(facts));
        assert_eq!(closed.steps, [OutboxStep::WakeIn { millis }]);
        assert!(closed.alarm.is_some());
        bench.wait(millis - 1);
        assert!(bench.event(|outbox, facts| outbox.on_timer(facts)).steps.is_empty());
        bench.wait(1);
        assert_eq!(bench.event(|outbox, facts| outbox.on_timer(facts)).steps, [OutboxStep::Connect]);
    }
    bench.event(|outbox, facts| outbox.on_closed(facts));
    let alarm = bench.event(|outbox, facts| outbox.on_alarm(facts));
    assert_eq!(alarm.steps, [OutboxStep::Connect]);
    assert!(alarm.alarm.is_some_and(|at| at > bench.now));
}

#[test]
fn a_refusal_is_kept_for_the_status_and_tried_again_by_the_alarm_only() {
    let mut bench = bench();
    bench.commit(10);
    bench.event(|outbox, facts| outbox.after_request(facts));
    bench.event(|outbox, facts| outbox.on_open(facts));
    let refused = bench.receive(Frame::Refused {
        reason: RefusalReason::TimelineConflict,
        retry_after_ms: 0,
        message: "another timeline".into(),
    });
    assert_eq!(refused.steps, [OutboxStep::Close]);
    assert_eq!(bench.outbox.refusal().map(|refusal| refusal.reason), Some("timeline_conflict"));
    assert!(bench.event(|outbox, facts| outbox.on_closed(facts)).steps.is_empty());
    bench.commit(10);
    assert!(bench.event(|outbox, facts| outbox.after_request(facts)).steps.is_empty());
    assert_eq!(bench.event(|outbox, facts| outbox.on_alarm(facts)).steps, [OutboxStep::Connect]);
}

#[test]
fn a_lake_that_holds_more_than_the_log_is_not_taken_for_a_duplicate() {
    let mut bench = bench();
    bench.commit(10);
    assert_eq!(bench.greet(Some(lsn(9))).steps, [OutboxStep::Close]);
    assert_eq!(bench.outbox.refusal().map(|refusal| refusal.reason), Some("shard_behind"));
}

#[test]
fn a_deleted_database_sends_the_rest_and_then_its_end() {
    let mut bench = bench();
    bench.commit(10);
    bench.meta.life = Life::Ending;
    assert_eq!(sent_lsns(&bench.greet(None)), [1]);
    let accepted = bench.receive(Frame::Accepted { lsn: lsn(1), delay_ms: 0 });
    assert_eq!(sent(&accepted), [Frame::End { lsn: Some(lsn(1)) }]);
    assert!(bench.receive(Frame::Ended).is_ended);
}

#[test]
fn an_end_that_the_lake_was_too_busy_for_is_sent_again() {
    let mut bench = bench();
    bench.commit(10);
    bench.meta.life = Life::Ending;
    assert_eq!(sent(&bench.greet(Some(lsn(1)))), [Frame::End { lsn: Some(lsn(1)) }]);
    let busy = Frame::Refused { reason: RefusalReason::Busy, retry_after_ms: 300, message: String::new() };
    assert_eq!(bench.receive(busy).steps, [OutboxStep::Close, OutboxStep::WakeIn { millis: 300 }]);
    bench.event(|outbox, facts| outbox.on_closed(facts));
    bench.wait(300);
    assert_eq!(bench.event(|outbox, facts| outbox.on_timer(facts)).steps, [OutboxStep::Connect]);
    assert_eq!(sent(&bench.greet(Some(lsn(1)))), [Frame::End { lsn: Some(lsn(1)) }]);
    assert!(sent(&bench.event(|outbox, facts| outbox.after_request(facts))).is_empty(), "once a time");
}

#[test]
fn only_what_was_accepted_can_be_durable_and_the_rest_is_not_heard() {
    let mut bench = bench();
    bench.commit(10);
    bench.commit(10);
    bench.greet(Some(lsn(1)));
    for beyond in [2, 9] {
        assert!(bench.receive(Frame::Durable { lsn: lsn(beyond) }).steps.is_empty());
        assert_eq!((bench.outbox.durable(), bench.outbox.link_name()), (None, "open"));
    }
    bench.receive(Frame::Durable { lsn: lsn(1) });
    assert_eq!(bench.outbox.durable(), Some(lsn(1)));
}

#[test]
fn a_lake_that_never_greets_is_given_up_by_the_alarm() {
    let mut bench = bench();
    bench.commit(10);
    bench.event(|outbox, facts| outbox.after_request(facts));
    bench.event(|outbox, facts| outbox.on_open(facts));
    bench.now.0 += CONNECT_MICROS_MAX - 1;
    assert!(bench.event(|outbox, facts| outbox.on_alarm(facts)).steps.is_empty());
    bench.now.0 += 1;
    let alarm = bench.event(|outbox, facts| outbox.on_alarm(facts));
    assert_eq!(alarm.steps, [OutboxStep::Close]);
    assert!(alarm.alarm.is_some());
    assert_eq!(bench.event(|outbox, facts| outbox.on_closed(facts)).steps, [OutboxStep::Connect]);
}

#[test]
fn a_dial_that_hangs_is_given_up_and_dialled_again_once_its_task_has_ended() {
    let mut bench = bench();
    bench.commit(10);
    let (line, _) = Line::Down.next(LineEvent::Connect);
    assert_eq!(bench.event(|outbox, facts| outbox.after_request(facts)).steps, [OutboxStep::Connect]);
    bench.now.0 += CONNECT_MICROS_MAX;
    assert_eq!(bench.event(|outbox, facts| outbox.on_alarm(facts)).steps, [OutboxStep::Connect]);
    let (line, steps) = line.next(LineEvent::Connect);
    assert_eq!(steps, [LineStep::Stop]);
    let (line, steps) = line.next(LineEvent::Ended);
    assert_eq!(steps, [LineStep::TellClosed]);
    let closed = bench.event(|outbox, facts| outbox.on_closed(facts));
    assert_eq!(closed.steps, [OutboxStep::WakeIn { millis: REDIAL_MS_MIN }]);
    bench.now.0 += i64::from(REDIAL_MS_MIN) * 1_000;
    assert_eq!(bench.event(|outbox, facts| outbox.on_timer(facts)).steps, [OutboxStep::Connect]);
    assert_eq!(line.next(LineEvent::Connect), (Line::Dialling, &[LineStep::Start][..]));
}

#[test]
fn a_lake_that_owes_an_acknowledgement_for_too_long_is_given_up_by_the_alarm() {
    let mut bench = bench();
    bench.commit(10);
    bench.greet(Some(lsn(1)));
    // Nothing was owed in this time.
    bench.now.0 += CONNECT_MICROS_MAX;
    bench.commit(10);
    assert_eq!(sent_lsns(&bench.event(|outbox, facts| outbox.after_request(facts))), [2]);
    bench.now.0 += CONNECT_MICROS_MAX / 2;
    bench.commit(10);
    assert_eq!(sent_lsns(&bench.event(|outbox, facts| outbox.after_request(facts))), [3]);
    assert!(bench.event(|outbox, facts| outbox.on_alarm(facts)).steps.is_empty());
    bench.now.0 += CONNECT_MICROS_MAX / 2;
    assert_eq!(bench.event(|outbox, facts| outbox.on_alarm(facts)).steps, [OutboxStep::Close]);
    assert_eq!(bench.event(|outbox, facts| outbox.on_closed(facts)).steps, [OutboxStep::Connect]);
}

#[test]
fn a_lake_that_never_confirms_the_end_is_given_up_however_often_the_name_is_asked_for() {
    let mut bench = bench();
    bench.commit(10);
    bench.meta.life = Life::Ending;
    bench.greet(Some(lsn(1)));
    for _ in 0..4 {
        bench.now.0 += CONNECT_MICROS_MAX / 4;
        bench.event(|outbox, facts| outbox.after_request(facts));
    }
    assert_eq!(bench.event(|outbox, facts| outbox.on_alarm(facts)).steps, [OutboxStep::Close]);
}

#[test]
fn a_pause_that_the_lake_asked_for_is_no_silence() {
    let mut bench = bench();
    bench.commit(10);
    bench.greet(None);
    bench.commit(10);
    bench.receive(Frame::Accepted { lsn: lsn(1), delay_ms: 30_000 });
    bench.wait(30_000);
    assert!(bench.event(|outbox, facts| outbox.on_alarm(facts)).steps.is_empty());
    assert_eq!(sent_lsns(&bench.event(|outbox, facts| outbox.on_timer(facts))), [2]);
}

#[test]
fn rubbish_from_the_lake_ends_the_connection_and_nothing_else() {
    let mut bench = bench();
    bench.commit(10);
    bench.greet(None);
    let reaction = bench.event(|outbox, facts| outbox.on_message(facts, &[200, 1, 2]));
    assert_eq!(reaction.steps, [OutboxStep::Close]);
    assert_eq!(bench.outbox.accepted(), None);
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_is_refused() {
    let mut bench = bench();
    bench.commit(10);
    bench.greet(None);
    assert_eq!(bench.receive(Frame::Accepted { lsn: lsn(2), delay_ms: 0 }).steps, [OutboxStep::Close]);
}

proptest! {
    #[test]
    fn arbitrary_messages_never_panic(messages: Vec<Vec<u8>>, greets: bool) {
        let mut bench = bench();
        bench.commit(10);
        if greets {
            bench.greet(None);
        }
        for message in messages {
            bench.event(|outbox, facts| outbox.on_message(facts, &message));
        }
    }

    #[test]
    fn whatever_the_lake_says_no_more_is_accepted_than_was_sent(
        frames in prop::collection::vec((0u8..4, 1u64..9, 0u32..400), 1..30),
    ) {
        let mut bench = bench();
        for _ in 0..5 {
            bench.commit(10);
        }
        bench.greet(None);
        for (kind, at, millis) in frames {
            let lsn = lsn(at);
            bench.receive(match kind {
                0 => Frame::Accepted { lsn, delay_ms: millis },
                1 => Frame::Durable { lsn },
                2 => Frame::Gap { expected: lsn },
                _ => Frame::Refused { reason: RefusalReason::Busy, retry_after_ms: millis, message: String::new() },
            });
            bench.wait(millis);
            bench.event(|outbox, facts| outbox.on_timer(facts));
            prop_assert!(bench.outbox.accepted() <= bench.committed.lsn);
            prop_assert!(bench.outbox.accepted() <= bench.outbox.sent());
            prop_assert!(bench.outbox.durable() <= bench.committed.lsn);
        }
    }
}
